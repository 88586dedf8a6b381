"""What only containers can show: one link of many, and what survives a killed container."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.clock_file import FILE_NAME
from emulator.errors import CannotStart, FaultRefused
from emulator.site_database.schema import ensure_schema
from fixtures.administrator import AdministrationRefused, Administrator
from fixtures.lab.engine import docker
from fixtures.lab.lab_site import CLOCK_FOLDER, LabSite
from fixtures.scenario.changes import SiteChanges
from fixtures.topologies import find_topology


async def test_one_link_is_cut_and_acknowledged_reports_survive_a_kill(image: str) -> None:
    async with LabSite(find_topology("four-computers"), speed=240.0) as site:
        with site.scratch() as folder:
            settings = ClientSettings(
                name="PC01",
                management_point=site.url("management_point"),
                site_code=site.site_code,
                data=folder,
                request_timeout=15.0,
                schedules_enabled=False,
            )
            client = SimulatedClient(settings, site.clock, site.history)
            await client.start()
            try:
                await _reports_wait_behind_the_cut(site, client)
                await _they_survive(site)
                await _strangers_stay_outside(site)
            finally:
                await client.stop()


async def _reports_wait_behind_the_cut(site: LabSite, client: SimulatedClient) -> None:
    await client.register()
    done = await site.cut("management_point", "site_server")
    assert list(done) == ["mp1-sitesrv"]
    # Everything else works: the management point asks the database, administrators reach the site server.
    for role in site.roles:
        assert (await site.probe(role, 15.0)).answers, role
    await client.policy_agent.request_assignments()
    await client.inventory_agent.collect_hardware()
    await client.discovery_agent.heartbeat()
    flushed = await client.messaging.flush()
    assert (flushed.sent, flushed.held) == (2, 0)
    assert len(_waiting(site)) == 2


async def _strangers_stay_outside(site: LabSite) -> None:
    wrong = site.dsn.replace(site.secret, "wrong")
    with pytest.raises(CannotStart, match="the site database does not let us in"):
        await ensure_schema(wrong, site_code="S01", site_name="Site", server_name="SITESRV")


async def _they_survive(site: LabSite) -> None:
    """Killed with what it had acknowledged; after the link is mended all of it arrives, once."""
    await site.break_("management_point", "killed")
    assert len(_waiting(site)) == 2
    await site.heal()
    await site.mend("management_point", "site_server")
    async with site.database(15.0) as database, SiteChanges(database) as changes:

        async def arrived() -> bool:
            return await database.fetchval("SELECT count(*) FROM InboxReceipt") == 2 and not _waiting(site)

        assert await changes.until(arrived, 120.0)


def _waiting(site: LabSite) -> list[str]:
    boxes = site.folder("management_point") / "outboxes"
    return [path.name for path in boxes.glob("*/*") if path.name[0].isdigit() and path.suffix != ".tmp"]


async def test_faults_are_set_on_containers(image: str, tmp_path: Path) -> None:
    async with LabSite(find_topology("typical"), speed=240.0) as site:
        async with Administrator(site.url("site_server"), site.secret, timeout=30.0) as administrator:
            await _the_database_is_read_only(site, administrator)
        await _no_session_is_left(site)
        await _a_clock_is_wrong(site)
        await _a_computer_is_away_for_a_while(site)


async def _the_database_is_read_only(site: LabSite, administrator: Administrator) -> None:
    fault = await site.set_fault({"kind": "database_read_only", "on": "site_database"})
    with pytest.raises(AdministrationRefused, match="read-only transaction"):
        await administrator.create_collection("Refused", [])
    await site.lift_fault(fault)
    await administrator.create_collection("Made", [])


async def _no_session_is_left(site: LabSite) -> None:
    fault = await site.set_fault({"kind": "database_out_of_connections", "on": "SITESRV"})
    assert not (await site.probe("site_database", 5.0)).answers
    await site.lift_fault(fault)
    assert (await site.probe("site_database", 15.0)).answers


async def _a_clock_is_wrong(site: LabSite) -> None:
    fault = await site.set_fault({"kind": "skewed_clock", "on": "management_point", "seconds": 3600.0})
    seen = await docker("exec", site.containers["MP1"].name, "cat", f"{CLOCK_FOLDER}/{FILE_NAME}")
    assert json.loads(seen)["skew"] == {"management_point": 3600.0}
    await site.lift_fault(fault)


async def _a_computer_is_away_for_a_while(site: LabSite) -> None:
    """Two roles in one container; an hour of site time later they are back by themselves."""
    fault = await site.set_fault({"kind": "hung", "on": "SITESRV", "duration": 3600.0})
    assert site.broken == {"site_server": "hung", "site_database": "hung"}
    assert not (await site.probe("site_server", 1.0)).answers
    with pytest.raises(FaultRefused, match="site_database is away already"):
        await site.set_fault({"kind": "stopped", "on": "site_database"})
    async with asyncio.timeout(120.0):
        while any(s.active for s in site.faults() if s.id == fault):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.2)
    assert site.broken == {}
    assert (await site.probe("site_server", 15.0)).answers


async def test_what_the_engine_cannot_do_is_refused(image: str) -> None:
    site = LabSite(find_topology("four-computers"))
    with pytest.raises(FaultRefused, match="failing: not in containers; valid: stopped, killed, hung, part"):
        await site.break_("management_point", "failing")
    for spec, told in (
        (
            {"kind": "latency", "on": "management_point", "seconds": 1.0},
            "latency: not in containers; valid",
        ),
        ({"kind": "disk_full", "on": "management_point"}, "disk_full: not in containers; valid: stopped"),
        ({"kind": "partitioned", "on": "clients -> management_point"}, "only be cut .docker network disconn"),
        (
            {"kind": "partitioned", "on": "management_point", "direction": "requests"},
            "loses its networks altogether; valid: both",
        ),
        ({"kind": "flood", "on": "management_point"}, "unknown fault"),
    ):
        with pytest.raises(FaultRefused, match=told):
            await site.set_fault(spec)
    await site.stop()
