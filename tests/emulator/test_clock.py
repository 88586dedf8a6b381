"""A clock tells site time, and whoever sleeps in it wakes when it shows the time, however that came."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from emulator.clock import Clock, ClockSettings, Timeline, real_time

START = 1_243_843_200.0  # 2009-06-01 08:00 UTC
PATIENCE = 20.0  # real seconds for what happens at once


def stopped(at: float = START, **changes: object) -> ClockSettings:
    return ClockSettings.model_validate({"frozen": True, "site_origin": at} | changes)


@pytest.fixture
def timeline() -> Timeline:
    return Timeline(stopped())


@pytest.fixture
def clock(timeline: Timeline) -> Clock:
    return Clock(timeline=timeline)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def asleep(*sleeps: Awaitable[object]) -> list[asyncio.Task[object]]:
    tasks = [asyncio.ensure_future(sleep) for sleep in sleeps]
    await turns()
    assert not any(task.done() for task in tasks)
    return tasks


async def test_it_stands_still_while_it_is_frozen(clock: Clock, timeline: Timeline) -> None:
    assert clock.time() == START
    assert clock.now().isoformat() == "2009-06-01T08:00:00+00:00"
    assert clock.real_seconds(1) == math.inf
    assert clock.real_seconds(0) == clock.real_seconds(-1) == 0
    timeline.change(ClockSettings(speed=10.0, site_origin=START, real_origin=real_time() - 6))
    assert START + 60 <= clock.time() < START + 600
    assert clock.real_seconds(60) == 6


async def test_a_jump_past_a_time_wakes_who_waits_for_it(clock: Clock, timeline: Timeline) -> None:
    early, late = await asleep(clock.sleep(60), clock.sleep_until(START + 61))
    timeline.change(stopped(START + 59.9))
    await turns()
    assert not early.done()
    timeline.change(stopped(START + 60))
    await turns()
    assert early.done()
    assert not late.done()
    timeline.change(stopped(START + 1e9))
    await late


async def test_sleepers_wake_in_the_order_of_their_times(clock: Clock, timeline: Timeline) -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = await asleep(*(sleep(seconds) for seconds in (30, 10, 20)))
    timeline.change(stopped(START + 100))
    await asyncio.gather(*tasks)
    assert woken == [10, 20, 30]


async def test_another_speed_times_sleepers_anew(clock: Clock, timeline: Timeline) -> None:
    timeline.change(ClockSettings(site_origin=START))
    (task,) = await asleep(clock.sleep(7 * 86400))
    timeline.change(ClockSettings(site_origin=START, speed=1e9))
    async with asyncio.timeout(PATIENCE):
        await task


async def test_a_freeze_holds_who_would_have_woken(clock: Clock, timeline: Timeline) -> None:
    timeline.change(ClockSettings(site_origin=START, speed=1e4))
    (task,) = await asleep(clock.sleep(1000))  # a tenth of a second
    timeline.change(stopped(START + 999))
    await asyncio.sleep(0.15)
    assert not task.done()
    timeline.change(ClockSettings(site_origin=START + 999, speed=1e4))
    async with asyncio.timeout(PATIENCE):
        await task


async def test_a_time_that_has_come_is_not_waited_for(clock: Clock) -> None:
    await clock.sleep(0)
    await clock.sleep(-5)
    await clock.sleep_until(START)
    assert await clock.wait_until(START - 1, asyncio.Event())


async def test_an_event_ends_the_wait_sooner(clock: Clock, timeline: Timeline) -> None:
    event = asyncio.Event()
    for due in (START + 10, None):
        (task,) = await asleep(clock.wait_until(due, event))
        event.set()
        assert await task is False
        event.clear()
    assert timeline.agenda.next_due() is None  # nothing stays planned that nobody waits for


async def test_a_cancelled_sleeper_is_forgotten(clock: Clock, timeline: Timeline) -> None:
    (task,) = await asleep(clock.sleep(10))
    assert timeline.agenda.next_due() == START + 10
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert timeline.agenda.next_due() is None


@pytest.mark.parametrize(
    ("settings", "sleep", "least", "most"),
    [
        (ClockSettings(speed=1000.0, site_origin=START), lambda c: c.sleep(1, at_least=5), 4900, 5100),
        (ClockSettings(speed=2.0, site_origin=START), lambda c: c.sleep(600, at_most=5), 9, 11),
        (stopped(), lambda c: c.sleep(600, at_least=1e4, at_most=1), 600, 600),  # steps know no real seconds
    ],
    ids=["not too short", "not too long", "frozen"],
)
async def test_a_sleep_has_bounds_of_real_time(
    settings: ClockSettings, sleep: Callable[[Clock], Awaitable[None]], least: float, most: float
) -> None:
    clock = Clock(settings)
    before = clock.time()
    (task,) = await asleep(sleep(clock))
    due = clock.timeline.agenda.next_due()
    assert due is not None
    assert least <= due - before <= most
    task.cancel()


async def test_a_skewed_clock_shows_and_waits_for_its_own_time(clock: Clock, timeline: Timeline) -> None:
    ahead, right = clock.of("MP1"), clock.of("DP1")
    timeline.change(stopped(skew={"MP1": 60.0}))
    assert ahead.time() - right.time() == ahead.skew == 60
    (mp, dp) = await asleep(ahead.sleep_until(START + 100), right.sleep_until(START + 100))
    timeline.change(stopped(START + 40, skew={"MP1": 60.0}))
    await mp
    assert not dp.done()
    # Its clock is put ahead while it sleeps: it sees the time it waits for.
    timeline.change(stopped(START + 40, skew={"DP1": 60.0}))
    await dp
    assert clock.timeline.names == {"MP1", "DP1"}


async def test_a_span_is_as_long_for_a_clock_that_is_put_right(clock: Clock, timeline: Timeline) -> None:
    ahead = clock.of("MP1")
    timeline.change(stopped(skew={"MP1": 86_400.0}))
    sleeping, waiting = await asleep(ahead.sleep(30), ahead.wait_for(30))
    timeline.change(stopped(START + 29))  # put right
    await asyncio.sleep(0)
    assert not sleeping.done()
    timeline.change(stopped(START + 30))
    await sleeping
    assert await waiting
    assert not await ahead.wait_for(None, _set())


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_who_is_at_work_rests_only_where_it_waits(clock: Clock, timeline: Timeline) -> None:
    done, goes_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        with clock.at_work():
            await clock.sleep(10)
            await goes_on.wait()  # something of the world, not of this clock
            done.set()
            await clock.sleep(10)

    (worker,) = await asleep(work())
    begun = await timeline.agenda.quiet()  # it sleeps
    timeline.change(stopped(START + 10))
    (quiet,) = await asleep(timeline.agenda.quiet())
    goes_on.set()
    assert await quiet == begun + 1
    assert done.is_set()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await timeline.agenda.quiet()  # who has ended works no more


def test_one_timeline_serves_several_event_loops(clock: Clock, timeline: Timeline) -> None:
    async def woken_by_a_jump(to: float) -> None:
        (task,) = await asleep(clock.sleep(10))
        timeline.change(stopped(to))
        await task

    asyncio.run(woken_by_a_jump(START + 10))
    asyncio.run(woken_by_a_jump(START + 20))
