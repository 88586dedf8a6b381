"""Scheduler: a heap of due times on the site's clock, and one task that works it off.

When each recurring activity last ran is on disk: a cycle that was missed while the client
was off runs at its next start. Activities run one after another; one that fails is tried
again soon, long before its next cycle.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from clients.journal import Journal
from clients.ledger import Ledger
from emulator.clock import Clock
from emulator.errors import ConfigMgrError

Activity = Callable[[], Awaitable[object]]
_RETRY = 300.0  # site seconds after which a cycle that failed is tried again (chosen by us)


@dataclass(frozen=True, slots=True)
class Recurring:
    """An activity with an interval (site seconds)."""

    name: str
    interval: float
    run: Activity
    remembered: bool = True  # across restarts; otherwise it runs at each start, and costs no write a cycle


class Scheduler:
    """Runs activities when they are due."""

    def __init__(self, ledger: Ledger, clock: Clock, journal: Journal) -> None:
        self._ledger = ledger  # name -> site time of the last run that succeeded
        self._clock = clock
        self._journal = journal
        self._recurring: dict[str, Recurring] = {}
        self._once: dict[str, Activity] = {}
        self._due: dict[str, float] = {}  # the truth; heap entries that disagree are stale
        self._heap: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None

    def every(self, activity: Recurring) -> None:
        """Run this again and again; for the first time at once."""
        self._recurring[activity.name] = activity
        last = self._ledger.value.get(activity.name) if activity.remembered else None
        now = self._clock.time()
        # A clock that was put back must not keep the client silent until it is that late again.
        self._set(activity.name, now if last is None else min(last, now) + activity.interval)

    def at(self, name: str, due: float, run: Activity) -> None:
        """Run this once at ``due``; replaces what was planned under the name."""
        self._once[name] = run
        self._set(name, due)

    def forget(self, name: str) -> None:
        """What was planned once under the name is not needed any more."""
        self._once.pop(name, None)
        self._due.pop(name, None)

    def due_times(self) -> dict[str, float]:
        """What is planned, by name (site time)."""
        return dict(self._due)

    def did(self, name: str) -> None:
        """A recurring activity was done just now, on schedule or by hand: its next cycle starts."""
        recurring = self._recurring.get(name)
        if recurring is None or recurring.remembered:
            self._ledger.save(**{name: self._clock.time()})
        if recurring:
            self._set(name, self._clock.time() + recurring.interval)

    def _set(self, name: str, due: float) -> None:
        self._due[name] = due
        heapq.heappush(self._heap, (due, name))
        self._wake.set()

    def start(self) -> None:
        """Start the one task."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="client-scheduler")

    async def stop(self) -> None:
        """End the task; what it was doing is cancelled where it waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def abandon(self) -> None:
        """End the task without waiting for it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _work(self) -> None:
        with self._clock.at_work():
            while True:
                self._wake.clear()
                self._drop_stale()
                first = self._heap[0] if self._heap else None
                has_come = await self._clock.wait_until(first[0] if first else None, self._wake)
                self._drop_stale()
                if has_come and first and self._heap and self._heap[0] == first:
                    heapq.heappop(self._heap)
                    await self._run(first[1])

    def _drop_stale(self) -> None:
        """Take off the heap's top what was moved or forgotten since it was planned."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    async def _run(self, name: str) -> None:
        recurring = self._recurring.get(name)
        run = recurring.run if recurring else self._once.pop(name)
        self._due.pop(name, None)
        try:
            await run()
        except ConfigMgrError as exc:
            self._journal.note("schedule_failed", schedule=name, error=type(exc).__name__, seen=str(exc))
            if recurring:
                self._set(name, self._clock.time() + min(recurring.interval, _RETRY))
        except Exception as exc:
            # A mistake of ours ends one activity, not the client; the history shows it.
            self._journal.note("schedule_broken", schedule=name, error=type(exc).__name__, seen=str(exc))
            if recurring:
                self._set(name, self._clock.time() + recurring.interval)
        else:
            if recurring:
                self.did(name)
