"""A deed is done whole; whoever was cancelled meanwhile is, afterwards."""

import asyncio

import pytest

from emulator.to_the_end import to_the_end


class Deed:
    """Begins, waits to be let, and ends, perhaps badly."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.done = False
        self._error = error

    async def __call__(self) -> str:
        self.begun.set()
        await self.go.wait()
        self.done = True
        if self._error:
            raise self._error
        return "done"


async def test_its_result_and_its_error_are_the_callers() -> None:
    deed = Deed()
    deed.go.set()
    assert await to_the_end(deed()) == "done"
    deed = Deed(ValueError("as told"))
    deed.go.set()
    with pytest.raises(ValueError, match="as told"):
        await to_the_end(deed())


async def test_however_often_its_caller_is_cancelled_he_waits_for_it() -> None:
    deed = Deed()
    caller = asyncio.create_task(to_the_end(deed()))
    await deed.begun.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
    assert not caller.done()
    deed.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert deed.done


async def test_a_failure_whose_caller_has_gone_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    deed = Deed(ValueError("as told"))
    caller = asyncio.create_task(to_the_end(deed()))
    await deed.begun.wait()
    caller.cancel()
    deed.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert "ValueError: as told" in caplog.text


async def test_what_is_cancelled_itself_does_not_keep_its_caller() -> None:
    async def given_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await to_the_end(given_up())
