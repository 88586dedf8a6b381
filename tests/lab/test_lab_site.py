"""What only containers can show: one link of many, and what survives a killed container."""

from __future__ import annotations

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.errors import CannotStart, FaultRefused
from emulator.site_database.schema import ensure_schema
from fixtures.lab.lab_site import LabSite
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


async def test_what_the_engine_cannot_do_is_refused(image: str) -> None:
    site = LabSite(find_topology("four-computers"))
    with pytest.raises(FaultRefused, match="failing: not in containers; valid: stopped, killed, hung, part"):
        await site.break_("management_point", "failing")
    await site.stop()
