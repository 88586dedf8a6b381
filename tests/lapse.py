"""Time that passes in steps for whoever is under test: nothing is late, and nothing is waited for."""

from __future__ import annotations

from pathlib import Path

from emulator.clock import ClockSettings
from emulator.history import History
from emulator.site_clock import SiteClock
from emulator.time_lapse import Passage, pass_time, settled
from fixtures.topologies import find_topology

START = 1_243_843_200.0  # 2009-06-01 08:00 UTC


class Lapse:
    """A clock that stands still until time passes, and whose history tells when everything was."""

    def __init__(self, folder: Path) -> None:
        settings = ClockSettings(frozen=True, site_origin=START)
        self.clock = SiteClock(folder, settings, find_topology("one-computer"))
        self.history = History(self.clock)

    async def settled(self) -> None:
        await settled(self.clock, [], "in-process")

    async def pass_time(self, site_seconds: float) -> Passage:
        return await pass_time(self, site_seconds)

    def minutes_of(self, what: str, phase: str = "invoke", **detail: object) -> list[float]:
        """When something happened, in site minutes since the start; ``detail`` is what it began with."""
        events = self.history.events
        return [
            round((event.site_time - START) / 60, 6)
            for event in events
            if (event.what, event.phase) == (what, phase)
            and all(events[event.operation].detail.get(name) == value for name, value in detail.items())
        ]
