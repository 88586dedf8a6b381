"""Heartbeat, metering, status and state: what is collected is queued, whatever happens."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from clients.client import SimulatedClient
from emulator.protocol.discovery import discovered
from emulator.protocol.metering import STILL_RUNNING, MeteringReport
from emulator.protocol.report import Report
from emulator.protocol.report_file import AGENT_KINDS, kind_of
from emulator.protocol.state import StateReport
from emulator.protocol.status import StatusMessage
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


async def test_every_kind_goes_where_it_belongs(client: SimulatedClient, site: FakeSite) -> None:
    await client.inventory_agent.collect_hardware()
    await client.inventory_agent.collect_software()
    await client.discovery_agent.heartbeat()
    client.metering_agent.record_usage("editor.exe")
    await client.metering_agent.report()
    await client.status_agent.raise_event("SoftDistProgramStartedEvent", {"ProgramName": "Install"}, 10005)
    await client.state_agent.raise_state(800, client.smsid, 1)
    assert client.messaging.pending == list(AGENT_KINDS)
    await client.messaging.flush()
    assert [kind_of(m.target_endpoint, m.body_text) for m in site.mp.reports] == list(AGENT_KINDS)


async def test_a_heartbeat_says_who_and_where(client: SimulatedClient) -> None:
    await client.discovery_agent.heartbeat()
    properties = discovered(Report.from_xml(client.messaging.held()[0].body))
    assert properties["SMSUniqueIdentifier"] == client.smsid
    assert properties["NetbiosName"] == "PC01"
    assert properties["SMSAssignedSites"] == ["S01"]


async def test_usages_are_reported_once(client: SimulatedClient, make_client: MakeClient) -> None:
    now = client.clock.now()
    ended = client.metering_agent.record_usage("a.exe", start=now - timedelta(hours=1), end=now)
    client.abandon()
    second = make_client()
    running = second.metering_agent.record_usage("b.exe")
    await second.metering_agent.report()
    await second.metering_agent.report()
    first, then = (MeteringReport.from_xml(m.body) for m in second.messaging.held())
    assert [(u.meter_data_id, u.file_name, u.status) for u in first.usages] == [
        (ended, "a.exe", 0),
        (running, "b.exe", STILL_RUNNING),
    ]
    assert then.usages == ()


async def test_a_status_message(client: SimulatedClient) -> None:
    message_id = await client.status_agent.raise_event("SoftDistErrorNoContent", {"ProgramName": "x"}, 10051)
    (message,) = client.messaging.held()
    status = StatusMessage.from_xml(message.body)
    assert message.message_id == message_id
    assert (status.event_class, status.message_id) == ("SoftDistErrorNoContent", 10051)
    assert status.properties == {"ProgramName": "x", "ClientID": client.smsid}


async def test_serial_numbers_go_on_after_a_kill(
    client: SimulatedClient, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*args: object) -> object:
        raise asyncio.CancelledError

    await client.state_agent.raise_state(800, "topic", 1)
    monkeypatch.setattr(client.messaging, "put", killed)
    with pytest.raises(asyncio.CancelledError):
        await client.state_agent.raise_state(800, "topic", 2, "killed before it was queued")
    client.abandon()
    second = make_client()
    await second.start()
    await second.state_agent.raise_state(800, "topic", 3)
    states = [StateReport.from_xml(m.body).messages[0] for m in second.messaging.held()]
    assert [(s.serial, s.state_id) for s in states] == [(1, 1), (2, 2), (3, 3)]
