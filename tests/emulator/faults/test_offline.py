"""The five ways to be offline, set as faults; and partitions of single links, in one direction or both."""

from __future__ import annotations

import asyncio

import pytest

from emulator.errors import FaultRefused, ManagementPointUnavailable
from emulator.faults.link import Link
from emulator.site import Site
from fixtures.topologies import find_topology
from tests.clients.until import until
from tests.emulator.faults.conftest import Enter
from tests.emulator.faults.relay import BODY, Relay, http_request


async def test_each_of_them_comes_and_goes() -> None:
    async with Site(find_topology("four-computers"), mode="processes", speed=60, links=True) as site:
        for kind in ("stopped", "killed", "hung", "failing", "partitioned"):
            fault = await site.set_fault({"kind": kind, "on": "distribution_point"})
            assert site.broken == {"distribution_point": kind}
            assert not (await site.probe("distribution_point", 1.0)).answers, kind
            done = await site.lift_fault(fault)
            assert done["distribution_point"]
            assert site.broken == {}
            assert (await site.probe("distribution_point", 10)).answers, kind
        assert [status.active for status in site.faults()] == [False] * 5


async def test_what_somebody_else_has_healed_is_left_as_it_is(site: Site) -> None:
    fault = await site.set_fault({"kind": "stopped", "on": "distribution_point"})
    await site.heal()
    assert await site.lift_fault(fault) == {"distribution_point": "was back already"}


async def test_a_computer_whose_parts_cannot_all_have_it_has_it_nowhere(site: Site) -> None:
    # In this process the site server cannot be killed; its database could.
    async with Site(find_topology("typical"), speed=60) as typical:
        await typical.break_("management_point", "stopped")
        with pytest.raises(FaultRefused, match="killed"):
            await typical.set_fault({"kind": "killed", "on": "SITESRV"})
        assert typical.broken == {"management_point": "stopped"}
        assert (await typical.probe("site_database", 5)).answers


async def test_a_link_is_partitioned_alone(site: Site, enter: Enter) -> None:
    client = await enter("PC01")
    client.transport.patience = 1.0
    fault = await site.set_fault({"kind": "partitioned", "on": "clients -> management_point"})
    with pytest.raises(ManagementPointUnavailable):
        await client.policy_agent.request_assignments()
    assert site.broken == {}
    await site.lift_fault(fault)
    client.transport.patience = 10.0
    await client.policy_agent.request_assignments()


async def test_one_direction_of_a_roles_partition_is_dropped_on_the_links_that_lead_to_it(site: Site) -> None:
    assert site.network
    fault = await site.set_fault({"kind": "partitioned", "on": "management_point", "direction": "replies"})
    cut = {str(arrow): link.silent for arrow, link in site.network.links.items() if link.cuts}
    assert cut == {
        "clients -> management_point": {"replies"},
        "site_server -> management_point": {"replies"},
    }
    assert site.broken == {}
    await site.lift_fault(fault)
    assert not any(link.cuts for link in site.network.links.values())


async def spoken(link: Link, relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await relay.connect()
    writer.write(http_request())
    await reader.readuntil(BODY)
    assert link.connections
    return reader, writer


async def quiet(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.2):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_one_way_requests_do_not_arrive(relay: Relay) -> None:
    reader, writer = await spoken(relay.link, relay)
    await relay.link.cut("test", frozenset({"requests"}))
    writer.write(http_request("/second"))
    assert await quiet(reader)
    assert len(relay.asked) == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await relay.connect()  # opening one takes both directions
    await relay.link.mend("test")
    assert (await reader.readuntil(BODY)).endswith(BODY)
    writer.close()


async def test_one_way_replies_do_not_arrive(relay: Relay) -> None:
    reader, writer = await spoken(relay.link, relay)
    await relay.link.cut("test", frozenset({"replies"}))
    writer.write(http_request("/second"))
    await until(lambda: len(relay.asked) == 2)  # its effect is done
    assert await quiet(reader)
    await relay.link.mend("test")
    assert (await reader.readuntil(BODY)).endswith(BODY)
    writer.close()


async def test_what_waits_in_a_slow_link_waits_for_a_cut_one_too(relay: Relay) -> None:
    reader, writer = await spoken(relay.link, relay)
    latency = await relay.set("latency", seconds=3600)
    writer.write(http_request("/second"))
    assert await quiet(reader)
    await relay.link.cut("test")
    relay.link.lift(latency)
    assert await quiet(reader)
    await relay.link.mend("test")
    assert (await reader.readuntil(BODY)).endswith(BODY)
    writer.close()
