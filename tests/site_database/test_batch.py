"""Look-ups travel together, and nobody's trouble becomes another's."""

import asyncio
from collections.abc import Sequence

import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database.batch import MOST, Batch


class Asked:
    """Answers ten times the key; remembers what was asked together, and waits where it is told to."""

    def __init__(self) -> None:
        self.queries: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.away = False

    async def __call__(self, keys: Sequence[int]) -> Sequence[int]:
        self.queries.append(list(keys))
        self.begun.set()
        await self.go.wait()
        if self.away:
            raise SiteDatabaseUnavailable("connection refused")
        if 13 in keys:
            raise ValueError("13 cannot be asked")
        return [key * 10 for key in keys]


async def test_one_look_up_is_one_query() -> None:
    asked = Asked()
    assert await Batch(asked)(4) == 40
    assert asked.queries == [[4]]


async def test_those_that_come_meanwhile_travel_together() -> None:
    asked = Asked()
    batch = Batch(asked)
    asked.go.clear()
    first = asyncio.create_task(batch(1))
    await asked.begun.wait()
    others = [asyncio.create_task(batch(key)) for key in (2, 3, 4)]
    await asyncio.sleep(0)
    asked.go.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert asked.queries == [[1], [2, 3, 4]]


async def test_a_query_begins_after_whoever_it_answers() -> None:
    """Two in a row are two queries: nothing is answered from before."""
    asked = Asked()
    batch = Batch(asked)
    assert [await batch(1), await batch(1)] == [10, 10]
    assert asked.queries == [[1], [1]]


async def test_a_query_has_a_bound() -> None:
    asked = Asked()
    batch = Batch(asked)
    await asyncio.gather(*(batch(key + 100) for key in range(MOST + 1)))
    assert [len(query) for query in asked.queries] == [MOST, 1]


async def test_an_outage_reaches_everyone_in_it_and_nobody_after_it() -> None:
    asked = Asked()
    batch = Batch(asked)
    asked.away = True
    failed = await asyncio.gather(batch(1), batch(2), return_exceptions=True)
    assert [str(error) for error in failed] == ["connection refused"] * 2
    assert failed[0] is not failed[1]
    asked.away = False
    assert await batch(3) == 30


async def test_what_cannot_be_asked_fails_alone() -> None:
    batch = Batch(Asked())
    good, bad, also_good = await asyncio.gather(batch(1), batch(13), batch(2), return_exceptions=True)
    assert (good, also_good) == (10, 20)
    assert isinstance(bad, ValueError)


async def test_who_gave_up_waiting_disturbs_nobody() -> None:
    asked = Asked()
    batch = Batch(asked)
    asked.go.clear()
    gone, stays = asyncio.create_task(batch(1)), asyncio.create_task(batch(2))
    await asked.begun.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    asked.go.set()
    assert await stays == 20
