"""A site with links: every arrow can be cut alone, and a role or a computer as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from emulator.addresses import assign_addresses
from emulator.errors import FaultRefused
from emulator.faults.network import Network
from emulator.site import MODES, Site
from fixtures.topologies import find_topology


@pytest.fixture(params=MODES)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with Site(find_topology("four-computers"), mode=request.param, speed=60, links=True) as site:
        yield site


async def answering(site: Site) -> set[str]:
    # Longer than a role waits for a silent database before it says so; nobody waits for a silent role.
    patience = {name: 1.0 if name in site.broken else 5.0 for name in site.roles}
    probes = await asyncio.gather(*(site.probe(name, seconds) for name, seconds in patience.items()))
    return {name for name, probe in zip(site.roles, probes, strict=True) if probe.answers}


async def mp_list(site: Site) -> int:
    """The management point's health test, which asks the site database."""
    url = site.url("management_point") + "/SMS_MP/.sms_aut?MPLIST"
    async with aiohttp.ClientSession() as http, http.get(url) as reply:
        return reply.status


def test_there_is_a_link_for_every_arrow_within_a_computer_too() -> None:
    def arrows(name: str) -> set[str]:
        return set(Network(assign_addresses(find_topology(name))).ports)

    assert arrows("one-computer") == {
        "clients -> management_point",
        "clients -> distribution_point",
        "administrators -> site_server",
        "observers -> site_database",
        "management_point -> site_database",
        "management_point -> site_server",
        "site_server -> site_database",
        "site_server -> distribution_point",
        "site_server -> management_point",
    }
    assert arrows("typical") == {
        "clients -> management_point",
        "clients -> distribution_point_1",
        "clients -> distribution_point_2",
        "administrators -> site_server",
        "observers -> site_database",
        "management_point -> site_database",
        "management_point -> site_server",
        "site_server -> site_database",
        "site_server -> distribution_point_1",
        "site_server -> distribution_point_2",
        "site_server -> management_point",
    }


async def test_a_partitioned_role_is_away_and_comes_back(site: Site) -> None:
    for role in site.roles:
        done = await site.break_(role, "partitioned")
        assert "links drop everything" in done[role]
        assert await answering(site) == set(site.roles) - {role}
        await site.heal()
    assert await answering(site) == set(site.roles)


async def test_a_role_is_parted_from_its_own_computer_and_a_computer_is_not_parted_within() -> None:
    async with Site(find_topology("one-computer"), speed=60, links=True) as site:
        inside = sorted(str(arrow) for arrow, link in site.network.links.items() if link.inside)  # type: ignore[union-attr]
        assert len(inside) == 5

        def cut() -> list[str]:
            return sorted(str(arrow) for arrow, link in site.network.links.items() if link.cuts)  # type: ignore[union-attr]

        await site.break_("site_database", "partitioned")
        assert await mp_list(site) == 500
        assert cut() == [
            "management_point -> site_database", "observers -> site_database", "site_server -> site_database"
        ]  # fmt: skip
        await site.heal()
        [computer] = site.topology.computers
        fault = await site.set_fault({"kind": "partitioned", "on": computer.name})
        assert not set(cut()) & set(inside)
        assert len(cut()) == 4
        await site.lift_fault(fault)
        await site.break_(computer.name, "partitioned")
        assert len(cut()) == 4
        await site.heal()
        assert not cut()


async def test_a_role_with_a_link_that_cannot_be_cut_is_not_half_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(by: str) -> None:
        raise OSError("the port was lost")

    async with Site(find_topology("four-computers"), speed=60, links=True) as site:
        assert site.network
        links = site.network.of("management_point")
        with monkeypatch.context() as patch:
            patch.setattr(links[-1], "cut", refuse)
            with pytest.raises(OSError, match="the port was lost"):
                await site.break_("management_point", "partitioned")
        assert not site.broken
        assert not any(link.cuts for link in links)
        assert await answering(site) == set(site.roles)


async def test_the_management_point_cut_off_from_the_database_only(site: Site) -> None:
    assert await mp_list(site) == 200
    done = await site.cut("management_point", "site_database")
    assert list(done) == ["management_point -> site_database"]
    assert await mp_list(site) == 500
    assert await answering(site) == set(site.roles)
    await site.mend("management_point", "site_database")
    for _ in range(200):
        if await mp_list(site) == 200:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the management point did not find its database again")


async def test_a_link_that_is_not_there_is_refused_by_name(site: Site) -> None:
    with pytest.raises(FaultRefused, match="no link goes from clients to site_server; valid: clients -> "):
        await site.cut("clients", "site_server")


async def test_a_site_without_links_cuts_nothing() -> None:
    async with Site(find_topology("one-computer")) as site:
        with pytest.raises(FaultRefused, match="management_point has no links; start the site with links"):
            await site.break_("management_point", "partitioned")
        with pytest.raises(FaultRefused, match="valid: none; start it with links"):
            await site.cut("clients", "management_point")
        assert not site.broken


async def test_a_kept_site_keeps_its_links(tmp_path: Path) -> None:
    urls = []
    for _ in range(2):
        async with Site(find_topology("one-computer"), data=tmp_path, links=True) as site:
            urls.append(site.url("distribution_point"))
    assert urls[0] == urls[1]
