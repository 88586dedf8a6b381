from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from clients.client import SimulatedClient, schedule_id
from emulator.errors import ManagementPointUnavailable, ObjectNotFound
from emulator.protocol.schedule import ScheduleToken
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.clients.until import until


@pytest.mark.parametrize(
    ("number", "endpoint"),
    [
        (1, "MP_HinvEndpoint"),
        (2, "MP_SinvEndpoint"),
        (3, "MP_DdrEndpoint"),
        (21, "MP_PolicyManager"),
        (31, "MP_RelayEndpoint"),
        (101, "MP_HinvEndpoint"),
    ],
)
async def test_trigger_schedule(client: SimulatedClient, site: FakeSite, number: int, endpoint: str) -> None:
    await client.trigger_schedule(schedule_id(number))
    assert site.mp.requests[-1] == endpoint


async def test_unheard_of_schedules(client: SimulatedClient) -> None:
    with pytest.raises(ObjectNotFound):
        await client.trigger_schedule("{00000000-0000-0000-0000-000000000999}")


async def test_policy_refused_still_runs_what_is_due(client: SimulatedClient, site: FakeSite) -> None:
    site.advertise(contains_source_files=False, mandatory=True)
    await client.policy_agent.request_assignments()
    site.mp.failing["MP_PolicyManager"] = 500
    with pytest.raises(ManagementPointUnavailable):
        await client.trigger_schedule(schedule_id(21))
    assert client.execution_manager.advertisements["S0120001"].state == "succeeded"


async def test_by_itself(make_client: MakeClient, site: FakeSite) -> None:
    """Schedules on: registers, takes policy, runs, reports, all on a fast clock."""
    client = make_client(speed=3600.0, schedules_enabled=True)
    site.package()
    hourly = ScheduleToken(client.clock.now() - timedelta(hours=2), timedelta(hours=1)).to_text()
    active = client.clock.now() - timedelta(days=2)
    site.advertise(mandatory=True, assigned_schedule=hourly, rerun="RerunAlways", active_time=active)
    await client.start()
    await until(lambda: len(client.execution_manager.history.runs) >= 3)
    await until(lambda: {"MP_HinvEndpoint", "MP_SinvEndpoint", "MP_DdrEndpoint"} <= set(site.mp.requests))
    await until(lambda: len(site.mp.bodies("StatusReceiver")) >= 6)
    assert {run.result for run in client.execution_manager.history.runs} <= {"succeeded", "running"}


async def test_by_itself_through_an_outage(make_client: MakeClient, site: FakeSite) -> None:
    client = make_client(speed=3600.0, schedules_enabled=True)
    site.package()
    site.advertise()
    await client.start()
    await until(lambda: "S0120001" in client.execution_manager.advertisements and not len(client.messaging))
    # both roles go; a user wants the program; reports gather
    await site.mp.stop()
    await site.dp.stop()
    assert (await client.execution_manager.run("S0120001")).state == "waits_for_content"
    await client.state_agent.raise_state(800, client.smsid, 1)
    held = [m.message_id for m in client.messaging.held()]
    # killed meanwhile; another life finds the roles back
    client.abandon()
    again = make_client(speed=3600.0, schedules_enabled=True)
    await again.start()
    await site.mp.start()
    await site.dp.start()
    await until(lambda: again.execution_manager.advertisements["S0120001"].state == "succeeded")
    await until(lambda: not len(again.messaging))
    arrived = [m.message_id for m in site.mp.reports if m.message_id in held]
    assert arrived == held
    assert len(again.execution_manager.history.runs) == 1


async def test_a_resync_policy_brings_a_full_report_by_itself(
    make_client: MakeClient, site: FakeSite
) -> None:
    from emulator.protocol.policy import PolicyVersion
    from emulator.protocol.resync import InventoryResyncPolicy

    client = make_client(speed=3600.0, schedules_enabled=True)
    await client.start()
    await until(lambda: site.mp.bodies("MP_HinvEndpoint"))
    resync = InventoryResyncPolicy("Hardware", client.clock.now())
    site.mp.assign(PolicyVersion("{00000000-0000-0000-0000-000000000777}", "1.00"), resync)
    await until(lambda: len(site.mp.bodies("MP_HinvEndpoint")) >= 2)
    assert "<Version>2.0</Version>" in site.mp.bodies("MP_HinvEndpoint")[1]
    assert not client.inventory_agent.resync_pending("Hardware")


async def test_who_is_killed_while_it_asks_for_policy_does_nothing_more(
    client: SimulatedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def never_answered() -> None:
        with client.journal.operation("request_policy_assignments"):
            asked.set()
            await asyncio.Event().wait()

    went_on: list[str] = []

    async def download_bodies() -> None:
        went_on.append("bodies")

    monkeypatch.setattr(client.policy_agent, "request_assignments", never_answered)
    monkeypatch.setattr(client.policy_agent, "download_bodies", download_bodies)
    asking = asyncio.create_task(client.refresh_policy())
    await asked.wait()
    client.abandon()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not went_on
