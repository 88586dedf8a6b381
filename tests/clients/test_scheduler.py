from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from clients.journal import Journal
from clients.ledger import Ledger
from clients.scheduler import Recurring, Scheduler
from emulator.clock import Clock, ClockSettings
from emulator.errors import ManagementPointUnavailable
from emulator.history import History
from tests.clients.until import until

FAST = Clock(ClockSettings(speed=3600.0 * 10))  # ten hours a second


def make(folder: Path, history: History | None = None) -> Scheduler:
    return Scheduler(Ledger(folder / "schedule.json"), FAST, Journal(history or History(), "PC01"))


async def test_every_interval_of_site_time(tmp_path: Path) -> None:
    times: list[float] = []

    async def cycle() -> None:
        times.append(FAST.time())

    scheduler = make(tmp_path)
    scheduler.every(Recurring("policy", 3600.0, cycle))
    scheduler.start()
    await until(lambda: len(times) >= 4)
    await scheduler.stop()
    gaps = [after - before for before, after in pairwise(times)]
    assert all(gap >= 3599 for gap in gaps)


async def test_a_missed_cycle_runs_at_the_next_start(tmp_path: Path) -> None:
    ran: list[str] = []

    async def cycle() -> None:
        ran.append("cycle")

    # it last ran more than an interval ago: at once; less: not yet
    Ledger(tmp_path / "schedule.json").save(long_ago=FAST.time() - 100 * 86400, just_now=FAST.time())
    scheduler = make(tmp_path)
    scheduler.every(Recurring("long_ago", 7 * 86400.0, cycle))
    scheduler.every(Recurring("just_now", 7 * 86400.0, cycle))
    scheduler.start()
    await until(lambda: ran)
    await scheduler.stop()
    assert ran == ["cycle"]


async def test_once_replaces_and_forgets(tmp_path: Path) -> None:
    ran: list[str] = []

    async def run() -> None:
        ran.append("run")

    scheduler = make(tmp_path)
    scheduler.at("send", FAST.time() + 86400 * 365, run)
    scheduler.at("other", FAST.time(), run)
    scheduler.forget("other")
    scheduler.start()
    await asyncio.sleep(0.01)
    assert ran == []
    scheduler.at("send", FAST.time(), run)
    await until(lambda: ran)
    await scheduler.stop()
    assert ran == ["run"]
    assert scheduler.due_times() == {}


@pytest.mark.parametrize(
    "error", [ManagementPointUnavailable("HTTP 500"), ZeroDivisionError("ours")], ids=repr
)
async def test_a_failure_ends_neither_the_activity_nor_the_task(tmp_path: Path, error: Exception) -> None:
    history, tries = History(), 0

    async def fails_once() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error

    scheduler = make(tmp_path, history)
    scheduler.every(Recurring("policy", 3600.0, fails_once))
    scheduler.start()
    await until(lambda: tries >= 2)
    await scheduler.stop()
    assert history.events[0].detail["seen"] == str(error)
