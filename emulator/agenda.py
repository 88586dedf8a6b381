"""Agenda: who waits for which site time in one event loop, and who is at work there.

A heap of due times and one timer of the loop for the first of them. A clock that is changed
has the timer set anew; one that jumps past a due time wakes the sleeper at once; a frozen one
holds everybody.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

# Turns of the event loop after which whoever was woken has begun to work: an event wakes a task in one,
# a time that has come in two, and a task that was just made begins in one.
_TURNS = 3


class Time(Protocol):
    """The time an agenda goes by."""

    look_every: float | None  # real seconds after which changes are looked for; None: they are told

    def time(self) -> float: ...

    def skew(self, who: str) -> float: ...

    def real_seconds_until(self, site_time: float) -> float: ...


@dataclass(slots=True)
class _Planned:
    """Somebody to wake when their own clock shows ``due``."""

    due: float
    who: str
    wake: Callable[[], None]
    over: bool = False


@dataclass(order=True, slots=True)
class _Entry:
    due: float  # by a clock that is right
    number: int  # who asked first is woken first
    planned: _Planned = field(compare=False)


class Agenda:
    """The sleepers and workers of one event loop."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._heap: list[_Entry] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._working: set[asyncio.Task[Any]] = set()
        self._nobody_works = asyncio.Event()
        self._nobody_works.set()
        self._awakenings = 0

    # -- due times -----------------------------------------------------------------

    def is_due(self, due: float, who: str) -> bool:
        """Whether somebody's own clock shows this time already."""
        return due - self._time.skew(who) <= self._time.time()

    @contextmanager
    def planned(self, due: float | None, who: str, wake: Callable[[], None]) -> Iterator[None]:
        """Inside, ``wake`` is called once as soon as the clock of ``who`` shows ``due``."""
        if due is None:
            yield
            return
        planned = _Planned(due, who, wake)
        self._put(planned)
        self._set_timer()
        try:
            yield
        finally:
            planned.over = True
            self._tidy()

    def next_due(self) -> float | None:
        """The first time that somebody waits for, as a clock that is right shows it."""
        self._tidy()
        return self._heap[0].due if self._heap else None

    def time_anew(self) -> None:
        """The clock was changed: who is due is woken, for the others the timer is set."""
        waiting = [entry.planned for entry in sorted(self._heap) if not entry.planned.over]
        self._heap = []
        for planned in waiting:
            self._put(planned)
        self._ring()

    def _put(self, planned: _Planned) -> None:
        due = planned.due - self._time.skew(planned.who)
        heapq.heappush(self._heap, _Entry(due, next(self._numbers), planned))

    def _tidy(self) -> None:
        while self._heap and self._heap[0].planned.over:
            heapq.heappop(self._heap)

    def _ring(self) -> None:
        now = self._time.time()
        while self._heap and (self._heap[0].planned.over or self._heap[0].due <= now):
            planned = heapq.heappop(self._heap).planned
            if not planned.over:
                planned.over = True
                planned.wake()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._tidy()
        if not self._heap:
            return
        seconds = self._time.real_seconds_until(self._heap[0].due)
        if self._time.look_every is not None:
            seconds = min(seconds, self._time.look_every)
        if seconds != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    # -- who is at work --------------------------------------------------------------

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, the current task works, unless it rests."""
        task = _current_task()
        self._begins(task)
        try:
            yield
        finally:
            self._ends(task)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside, the current task, if it counts as a worker at all, waits for something to do."""
        task = _current_task()
        if task not in self._working:
            yield
            return
        self._ends(task)
        try:
            yield
        finally:
            self._begins(task)

    def _begins(self, task: asyncio.Task[Any]) -> None:
        self._working.add(task)
        self._nobody_works.clear()
        self._awakenings += 1

    def _ends(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not self._working:
            self._nobody_works.set()

    async def quiet(self) -> int:
        """Return when nobody works and nobody was just woken; how often somebody began, ever."""
        while True:
            before = self._awakenings
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if not self._working and self._awakenings == before:
                return before
            await self._nobody_works.wait()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # only coroutines work and wait
    return task
