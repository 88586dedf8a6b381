"""A client in a process of its own, killed in the middle of its work; another goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.settings import ClientSettings
from emulator.history import History, merge, read_history
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.clients.until import until

ADVERT = "S0120001"
LIFE = """
import asyncio, sys
from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.history import History

async def live():
    settings, clock = ClientSettings.model_validate_json(sys.argv[1]), Clock()
    client = SimulatedClient(settings, clock, History(clock, settings.data / "journal.jsonl"))
    await client.start()
    await client.register()
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()
    {work}

asyncio.run(live())
"""
DOWNLOAD = 'await client.execution_manager.run("S0120001")'
COLLECT = """
    while True:
        await client.inventory_agent.collect_hardware()
        await client.state_agent.raise_state(800, client.smsid, 1)
        await client.messaging.flush()
"""


async def killed_when(happened: Callable[[], object], settings: ClientSettings, work: str) -> None:
    """A life of a client, from its start until something has happened; nothing of it is left in any case."""
    settings.data.mkdir(parents=True, exist_ok=True)
    script = LIFE.replace("{work}", work)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, settings.model_dump_json())
    try:
        await until(lambda: process.returncode is not None or happened())
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        ended = await process.wait()
    assert ended == -signal.SIGKILL, "it ended by itself"


async def test_in_the_middle_of_a_download(make_client: MakeClient, site: FakeSite, tmp_path: Path) -> None:
    site.package(size=2_000_000)
    policy = site.advertise()[1]
    settings = make_client("PC09", bits_bytes_per_second=1_000_000).settings
    await killed_when(lambda: site.dp.served > 300_000, settings, DOWNLOAD)
    # another life asks for the rest only, and the program that was wanted runs once
    client = make_client("PC09")
    await client.start()
    done, total = client.content_access.progress(policy.package_id)
    assert 0 < done < total
    assert [o.state for o in await client.execution_manager.retry_waiting()] == ["ran"]
    assert client.content_access.requests[0].range_start == done
    assert [run.result for run in client.execution_manager.history.runs] == ["succeeded"]


@pytest.mark.parametrize("reports", [3, 8, 15])
async def test_in_the_middle_of_reporting(make_client: MakeClient, site: FakeSite, reports: int) -> None:
    settings = make_client("PC09").settings
    await killed_when(lambda: len(site.mp.reports) >= reports, settings, COLLECT)
    client = make_client("PC09")
    await client.start()
    await client.inventory_agent.collect_hardware()
    await client.state_agent.raise_state(800, client.smsid, 2)
    result = await client.messaging.flush()
    assert result.held == 0
    # what came twice came as the same message; without those, no number is missing or double
    arrived = {m.message_id: m.body_text for m in site.mp.reports}
    assert all(arrived[m.message_id] == m.body_text for m in site.mp.reports)
    states = [body for body in arrived.values() if "StateMessage " in body]
    serials = [int(body.split('SerialNumber="')[1].split('"')[0]) for body in states]
    assert serials == list(range(1, len(serials) + 1))
    assert client.messaging.pending == []
    versions = [body.split("<Version>")[1].split("<")[0] for body in arrived.values() if body not in states]
    assert versions == [f"1.{n}" for n in range(len(versions))]
    assert len(versions) > 1


async def test_what_was_told_before_the_kill_is_in_the_history(
    make_client: MakeClient, site: FakeSite, tmp_path: Path
) -> None:
    settings = make_client("PC09").settings
    journal = settings.data / "journal.jsonl"
    own = History(path=tmp_path / "harness.jsonl")
    for _ in range(2):  # two lives, one file
        before = len(site.mp.reports)
        await killed_when(lambda before=before: len(site.mp.reports) >= before + 4, settings, COLLECT)
        own.note("PC09", "client_killed")
    own.close()
    told = merge(read_history(tmp_path / "harness.jsonl"), read_history(journal))
    lives = [e.what for e in told if e.what in ("client_started", "client_killed")]
    assert lives == ["client_started", "client_killed"] * 2
    # the management point has nothing that the history does not know to have been sent
    sent = {e.detail["message_id"] for e in told if e.what == "send_report" and e.phase == "invoke"}
    assert {m.message_id for m in site.mp.reports} <= sent
    # and an acknowledgement that was told stands behind a report that arrived
    begun = {e.number: e for e in told if e.what == "send_report" and e.phase == "invoke"}
    acknowledged = {
        begun[e.operation].detail["message_id"] for e in told if e.phase == "ok" and e.operation in begun
    }
    assert acknowledged
    assert acknowledged <= {m.message_id for m in site.mp.reports}
