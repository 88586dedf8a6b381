from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from clients.client import SimulatedClient
from clients.machine import Machine
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportKind
from emulator.protocol.resync import InventoryResyncPolicy
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


def reports(client: SimulatedClient) -> list[Report]:
    kinds = (ReportKind.HARDWARE_INVENTORY, ReportKind.SOFTWARE_INVENTORY)
    return [Report.from_xml(m.body) for m in client.messaging.held() if m.kind in kinds]


def versions(client: SimulatedClient) -> list[tuple[str, str]]:
    return [(r.header.report_type, r.header.version) for r in reports(client)]


async def test_full_then_deltas(client: SimulatedClient) -> None:
    for _ in range(3):
        await client.inventory_agent.collect_hardware()
    assert versions(client) == [("Full", "1.0"), ("Delta", "1.1"), ("Delta", "1.2")]
    full, delta, _ = reports(client)
    assert full.header.client_id == client.smsid
    assert {i.class_name for i in full.instances} >= {"Win32_ComputerSystem", "Win32_OperatingSystem"}
    assert {i.content for i in full.instances} == {"New"}
    # what changes from look to look is the free space
    assert {(i.class_name, i.content) for i in delta.instances} == {("Win32_LogicalDisk", "Updated")}


async def test_software_has_its_own_count(client: SimulatedClient) -> None:
    await client.inventory_agent.collect_hardware()
    await client.inventory_agent.collect_software()
    await client.inventory_agent.collect_software()
    assert versions(client) == [("Full", "1.0"), ("Full", "1.0"), ("Delta", "1.1")]
    assert reports(client)[2].instances == ()


async def test_collecting_needs_nobody_and_survives(make_client: MakeClient, site: FakeSite) -> None:
    await site.stop()
    first = make_client()
    await first.start()
    await first.inventory_agent.collect_hardware()
    first.abandon()
    second = make_client()
    await second.start()
    await second.inventory_agent.collect_hardware()
    assert versions(second) == [("Full", "1.0"), ("Delta", "1.1")]


@pytest.mark.parametrize("step", ["put", "recover"])
async def test_killed_between_memory_and_queue(
    client: SimulatedClient, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The report is queued by the next life, as the same message, and no version is skipped."""
    original = getattr(client.messaging, step)
    calls = 0

    async def killed(*args: object) -> object:
        nonlocal calls
        calls += 1
        if step == "recover" and calls == 1:
            return await original(*args)  # before collecting
        raise asyncio.CancelledError

    monkeypatch.setattr(client.messaging, step, killed)
    with pytest.raises(asyncio.CancelledError):
        await client.inventory_agent.collect_hardware()
    client.abandon()
    second = make_client()
    await second.start()
    assert versions(second) == [("Full", "1.0")]
    await second.inventory_agent.collect_hardware()
    assert versions(second) == [("Full", "1.0"), ("Delta", "1.1")]


async def test_a_resync_makes_the_next_report_full_once(client: SimulatedClient, site: FakeSite) -> None:
    agent = client.inventory_agent
    await agent.collect_hardware()
    requested = datetime(2009, 6, 1, tzinfo=UTC)
    policy = PolicyVersion("{00000000-0000-0000-0000-000000000777}", "1.00")
    site.mp.assign(policy, InventoryResyncPolicy("Hardware", requested))
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()
    assert agent.resync_pending("Hardware")
    assert not agent.resync_pending("Software")
    for _ in range(2):
        await agent.collect_hardware()
    # and again when the site asks again
    newer = PolicyVersion(policy.policy_id, "2.00")
    site.mp.assign(newer, InventoryResyncPolicy("Hardware", requested + timedelta(hours=1)))
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()
    await agent.collect_hardware()
    assert versions(client) == [("Full", "1.0"), ("Full", "2.0"), ("Delta", "2.1"), ("Full", "3.0")]


async def test_an_installed_program_is_found(client: SimulatedClient, site: FakeSite) -> None:
    site.advertise(contains_source_files=False)
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()
    await client.inventory_agent.collect_hardware()
    await client.execution_manager.run("S0120001")
    await client.inventory_agent.collect_hardware()
    found = {(i.class_name, i.content) for i in reports(client)[-1].instances}
    assert ("Win32Reg_AddRemovePrograms", "New") in found


def test_the_same_seed_is_the_same_machine() -> None:
    one, same, other = (
        Machine("PC01", "lab.test", 1),
        Machine("PC01", "lab.test", 1),
        Machine("PC01", "lab.test", 2),
    )
    assert one.hardware(3, []) == same.hardware(3, [])
    assert one.files() == same.files()
    assert one.hardware(3, []) != other.hardware(3, [])
