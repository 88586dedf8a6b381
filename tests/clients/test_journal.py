from __future__ import annotations

import asyncio

import pytest

from clients.journal import Journal
from emulator.errors import ManagementPointUnavailable
from emulator.history import History


def phases(history: History) -> list[str]:
    return [event.phase for event in history.events]


async def test_success_carries_its_evidence() -> None:
    history = History()
    with Journal(history, "PC01").operation("deed", url="u") as evidence:
        evidence["status"] = 200
    assert phases(history) == ["invoke", "ok"]
    assert history.events[1].detail == {"status": 200}
    assert history.events[1].who == "PC01"


@pytest.mark.parametrize(("sent", "phase"), [(False, "fail"), (True, "unknown")])
async def test_an_answer_that_never_came_is_unknown(sent: bool, phase: str) -> None:
    history = History()
    with pytest.raises(ManagementPointUnavailable), Journal(history, "PC01").operation("deed"):
        raise ManagementPointUnavailable("HTTP 500", status=500, sent=sent)
    assert phases(history) == ["invoke", phase]
    assert history.events[1].detail["seen"] == "HTTP 500"
    assert history.events[1].detail["status"] == 500


async def test_cutting_ends_what_is_under_way() -> None:
    history = History()
    journal = Journal(history, "PC01")

    async def work() -> None:
        with journal.operation("deed"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    journal.cut()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert phases(history) == ["invoke", "unknown"]
