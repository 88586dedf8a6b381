from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from emulator.errors import ObjectConflict
from emulator.protocol.registration import ClientRegistrationRequest
from emulator.site_database import registration, resources
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_database.registration import Registered

Registering = Callable[..., ClientRegistrationRequest]
OWN, FIRST, SECOND = (f"GUID:{n}0000000-0000-4000-8000-000000000000" for n in (1, 2, 3))


@pytest.fixture
def register(site_database: SiteDatabase, now: datetime) -> Callable[..., asyncio.Future[Registered]]:
    def call(request: ClientRegistrationRequest, new_smsid: str = FIRST) -> asyncio.Future[Registered]:
        return asyncio.ensure_future(
            registration.register_client(
                site_database, request, site_code="S01", new_smsid=new_smsid, now=now
            )
        )

    return call


Register = Callable[..., asyncio.Future[Registered]]


async def test_a_new_client_gets_an_identity_and_a_resource(
    site_database: SiteDatabase, register: Register, registering: Registering
) -> None:
    assert await register(registering("PC01")) == (FIRST, 1)
    row = await site_database.fetchrow("SELECT * FROM v_R_System WHERE SMS_Unique_Identifier0 = $1", FIRST)
    assert row
    assert (row["name0"], row["netbios_name0"], row["client0"]) == ("PC01", "PC01", 1)
    assert await registration.certificate_of(site_database, FIRST) == b"certificate of PC01"


async def test_the_identity_asked_for_is_given_if_nobody_has_it(
    register: Register, registering: Registering
) -> None:
    assert (await register(registering("PC01", smsid=OWN))).smsid == OWN
    assert (await register(registering("PC02", smsid=OWN))).smsid == FIRST


async def test_a_certificate_keeps_its_identity_whatever_it_asks_for(
    site_database: SiteDatabase, register: Register, registering: Registering
) -> None:
    await register(registering("PC01"))
    machine = await resources.resource_of(site_database, FIRST)
    again = registering("PC01-NEW", certificate=b"certificate of PC01", smsid=OWN)
    assert (await register(again, SECOND)).smsid == FIRST
    row = await site_database.fetchrow("SELECT ItemKey, Name0 FROM System_DISC")
    assert row
    assert tuple(row) == (machine, "PC01-NEW")


async def test_registering_at_several_management_points_at_once_is_registering_once(
    site_database: SiteDatabase, register: Register, registering: Registering
) -> None:
    calls = [register(registering("PC01"), f"GUID:{n:08}-0000-4000-8000-000000000000") for n in range(6)]
    assert len(set(await asyncio.gather(*calls))) == 1
    assert await site_database.fetchval("SELECT count(*) FROM System_DISC") == 1


async def test_its_own_twin_takes_nothing_from_a_client(
    site_database: SiteDatabase, registering: Registering, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two registrations of one client: the other one commits between this one's two looks."""
    request = replace(registering("PC01"), smsid=OWN)

    async def register() -> Registered:
        return await registration.register_client(
            site_database, request, site_code="S01", new_smsid=FIRST, now=now, replace_taken=False
        )

    assert (await register()).smsid == OWN
    look = Session.fetchrow
    blind = ["registration_known"]  # the first look finds nothing yet

    async def fetchrow(self: Session, query: str, *args: object) -> Any:
        if query in blind:
            blind.remove(query)
            return None
        return await look(self, query, *args)

    monkeypatch.setattr(Session, "fetchrow", fetchrow)
    assert (await register()).smsid == OWN
    assert not blind


async def test_a_taken_new_identity_is_told(register: Register, registering: Registering) -> None:
    await register(registering("PC01"))
    with pytest.raises(ObjectConflict, match=FIRST):
        await register(registering("PC02"), FIRST)


async def test_a_deleted_client_is_unknown_and_may_come_back(
    site_database: SiteDatabase, register: Register, registering: Registering
) -> None:
    await register(registering("PC01"))
    await site_database.execute("DELETE FROM System_DISC")
    assert await registration.certificate_of(site_database, FIRST) is None
    assert (await register(registering("PC01", smsid=FIRST), SECOND)).smsid == FIRST


async def test_a_discovered_computer_that_registers_stays_one_resource(
    site_database: SiteDatabase, register: Register, registering: Registering, now: datetime
) -> None:
    async with site_database.transaction() as session:
        machine, _ = await resources.merge_discovery(
            session, resources.DiscoveryData(smsid=OWN, name="PC01", netbios_name="PC01", time=now)
        )
    await register(registering("PC01", smsid=OWN))
    assert await resources.resource_of(site_database, OWN) == machine
