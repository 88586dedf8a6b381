"""Site time: one clock for every role and client of a site.

Site time runs ``speed`` times as fast as real time from an agreed origin, or stands still; a
role's or client's own clock may be wrong by a constant (its skew). ``Timeline`` is what all
clocks of one site in one process share, so a change reaches every one of them, and whoever
sleeps, at once; ``emulator/clock_file.py`` brings it to the other processes. These two are the
only modules that look at the operating system's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field

from emulator.agenda import Agenda


class ClockSettings(BaseModel):
    """The state of a site's clock: all that another process needs to tell the same time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed: float = Field(default=1.0, gt=0, allow_inf_nan=False)  # site seconds a real second, when it runs
    real_origin: float = Field(default_factory=time.time)  # seconds since 1970, UTC, both
    site_origin: float | None = None  # site time at the real origin; None: the same
    frozen: bool = False
    skew: Mapping[str, float] = {}  # by role or client: site seconds by which its clock is ahead

    def site_time(self, real_time: float) -> float:
        """What a clock that is right shows at a real time."""
        origin = self.real_origin if self.site_origin is None else self.site_origin
        return origin if self.frozen else origin + (real_time - self.real_origin) * self.speed


class Timeline:
    """The state of one site's clock in one process, and who there waits for a time to come."""

    look_every: float | None = None  # real seconds; for whom nobody tells of changes

    def __init__(self, settings: ClockSettings | None = None) -> None:
        self._state = settings or ClockSettings()
        # By event loop: tests run several in one process, one after the other.
        self._agendas: WeakKeyDictionary[asyncio.AbstractEventLoop, Agenda] = WeakKeyDictionary()
        self.names: set[str] = set()  # who was given a clock of this site

    @property
    def state(self) -> ClockSettings:
        return self._state

    def change(self, state: ClockSettings) -> None:
        """From now on the clock is in this state; sleepers are woken or timed anew."""
        self._state = state
        for loop, agenda in list(self._agendas.items()):
            if loop is _running_loop():
                agenda.time_anew()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(agenda.time_anew)

    def time(self) -> float:
        """What a clock that is right shows now."""
        return self.state.site_time(time.time())

    def skew(self, who: str) -> float:
        return self.state.skew.get(who, 0.0)

    def real_seconds_until(self, site_time: float) -> float:
        """How long until a clock that is right shows this time; for ever while it is frozen."""
        state = self.state
        left = max(site_time - state.site_time(time.time()), 0.0)
        if left and state.frozen:
            return math.inf
        return left / state.speed

    @property
    def agenda(self) -> Agenda:
        """What is planned and done in the running event loop."""
        loop = asyncio.get_running_loop()
        agenda = self._agendas.get(loop)
        if agenda is None:
            agenda = self._agendas[loop] = Agenda(self)
        return agenda


class Clock:
    """One role's or client's clock: tells site time and sleeps in it."""

    def __init__(
        self, settings: ClockSettings | None = None, *, who: str = "", timeline: Timeline | None = None
    ) -> None:
        self.who = who
        self.timeline = timeline or Timeline(settings)
        if who:
            self.timeline.names.add(who)

    def of(self, who: str) -> Clock:
        """The clock on somebody's own wall, which may be wrong in its own way."""
        return Clock(who=who, timeline=self.timeline)

    # -- telling the time ----------------------------------------------------------

    @property
    def settings(self) -> ClockSettings:
        """The state of the site's clock now."""
        return self.timeline.state

    @property
    def speed(self) -> float:
        """Site seconds per real second, while it runs."""
        return self.settings.speed

    @property
    def frozen(self) -> bool:
        return self.settings.frozen

    @property
    def skew(self) -> float:
        """Site seconds by which this clock is ahead of the site's."""
        return self.timeline.skew(self.who)

    def time(self) -> float:
        """Site time in seconds since 1970, as this clock shows it."""
        return self.times()[1]

    def times(self) -> tuple[float, float]:
        """One moment in real and in site time, both in seconds since 1970."""
        state, real = self.timeline.state, time.time()
        return real, state.site_time(real) + state.skew.get(self.who, 0.0)

    def now(self) -> datetime:
        """Site time, aware, UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def real_seconds(self, site_seconds: float) -> float:
        """How long ``site_seconds`` last on a wall clock; for ever while the clock is frozen."""
        if site_seconds <= 0:
            return 0.0
        return math.inf if self.frozen else site_seconds / self.speed

    # -- waiting for a time --------------------------------------------------------

    async def sleep(self, site_seconds: float, *, at_least: float = 0.0, at_most: float = math.inf) -> None:
        """Sleep for a span of site time, however wrong this clock is, or becomes meanwhile.

        The bounds are real seconds, and turned into site time when the sleep begins: a fast clock
        must not turn waiting into spinning, a slow one need not make everybody wait. A frozen
        clock moves only by steps, so the bounds mean nothing to it.
        """
        if not self.frozen:
            site_seconds = min(max(site_seconds, at_least * self.speed), at_most * self.speed)
        await self.wait_for(site_seconds)

    async def sleep_until(self, due: float) -> None:
        """Sleep until this clock shows ``due`` (seconds since 1970): however it comes to show it."""
        await self.wait_until(due)

    async def wait_for(self, site_seconds: float | None, event: asyncio.Event | None = None) -> bool:
        """Wait for a span of site time to pass, or for the event; True: it has passed. None is no end.

        A span is counted by nobody's clock on the wall: one that is put back holds up nothing that
        was to happen in half a minute.
        """
        due = None if site_seconds is None else self.timeline.time() + max(site_seconds, 0.0)
        return await self._wait(due, "", event)

    async def wait_until(self, due: float | None, event: asyncio.Event | None = None) -> bool:
        """Wait until this clock shows ``due``, or the event is set; True: the time has come.

        The way for whoever keeps a heap of due times: wait for the first of them, and for the
        event that says that another came before it. None is a time that never comes.
        """
        return await self._wait(due, self.who, event)

    async def _wait(self, due: float | None, who: str, event: asyncio.Event | None) -> bool:
        agenda = self.timeline.agenda
        if due is not None and agenda.is_due(due, who):
            await asyncio.sleep(0)  # who is late all the time must not keep the others from working
            return True
        with self.resting():
            try:
                async with asyncio.timeout(None) as limit:
                    with agenda.planned(due, who, lambda: _end(limit)):
                        await (event or asyncio.Event()).wait()
            except TimeoutError:
                return True
        return False

    # -- who is at work ------------------------------------------------------------

    def at_work(self) -> AbstractContextManager[None]:
        """Inside, the current task counts as working, except while it waits for this clock.

        Site time can then be moved on in steps, each when everybody has done what was to be done
        (``emulator/time_lapse.py``). A task that works for another task lets that one rest.
        """
        return self.timeline.agenda.at_work()

    def resting(self) -> AbstractContextManager[None]:
        """Inside, the current task waits for something to do."""
        return self.timeline.agenda.resting()


def _end(limit: asyncio.Timeout) -> None:
    # It may have been cancelled, or have seen its event, in this very turn of the loop.
    with contextlib.suppress(RuntimeError):
        limit.reschedule(asyncio.get_running_loop().time())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def real_time() -> float:
    """Wall-clock seconds since 1970: for evidence only, never for schedules."""
    return time.time()
