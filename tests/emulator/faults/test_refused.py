"""A link that refuses is a host on which nobody listens, to whoever comes by that link and to nobody else."""

from __future__ import annotations

import aiohttp
import pytest

from emulator.errors import FaultRefused, ManagementPointUnavailable
from emulator.site import Site
from fixtures.topologies import find_topology
from tests.clients.until import until
from tests.emulator.faults.conftest import Enter


async def test_clients_are_refused_and_the_management_point_is_there(site: Site, enter: Enter) -> None:
    client = await enter("PC01")
    fault = await site.set_fault({"kind": "refused", "on": "clients -> management_point"})
    with pytest.raises(ManagementPointUnavailable, match=r"[Rr]efused|[Cc]annot connect"):
        await client.policy_agent.request_assignments()
    role = site.roles["management_point"]
    async with aiohttp.request("GET", f"http://{role.host}:{role.port}/SMS_MP/.sms_aut?MPLIST") as there:
        assert there.status == 200
    assert site.broken == {}
    assert await site.lift_fault(fault) == {"clients -> management_point": "lets everything through"}
    await client.policy_agent.request_assignments()


async def test_on_a_role_it_is_on_every_link_that_leads_to_it(site: Site) -> None:
    assert site.network
    await site.set_fault({"kind": "refused", "on": "management_point", "duration": 30.0})

    def refusing() -> set[str]:
        assert site.network
        return {str(arrow) for arrow, link in site.network.links.items() if link.refusals}

    assert refusing() == {"clients -> management_point", "site_server -> management_point"}
    await until(lambda: not refusing())  # it heals by itself


async def test_healing_everything_lifts_it(site: Site) -> None:
    await site.set_fault({"kind": "refused", "on": "management_point -> site_database"})
    await site.heal_everything()
    assert site.network
    assert {link.state for link in site.network.links.values()} == {"lets everything through"}


async def test_without_links_it_is_refused_by_name() -> None:
    async with Site(find_topology("one-computer"), speed=60) as site:
        with pytest.raises(FaultRefused, match="refused: clients -> management_point: the site has no links"):
            await site.set_fault({"kind": "refused", "on": "clients -> management_point"})
