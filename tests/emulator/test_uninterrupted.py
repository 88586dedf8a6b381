"""What was begun comes to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from emulator.uninterrupted import uninterrupted


async def test_the_cancellation_waits_for_the_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended = []

    async def work() -> None:
        begun.set()
        await go_on.wait()
        ended.append("whole")

    task = asyncio.create_task(uninterrupted(work()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["whole"]


async def test_results_and_errors_pass() -> None:
    async def divide(by: int) -> float:
        return 6 / by

    assert await uninterrupted(divide(2)) == 3
    with pytest.raises(ZeroDivisionError):
        await uninterrupted(divide(0))
