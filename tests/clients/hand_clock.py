"""A clock that a test moves by hand."""

from __future__ import annotations

import asyncio

from emulator.clock import Clock


class HandClock(Clock):
    """Stands still until it is moved; who sleeps in it moves it."""

    def __init__(self, start: float = 1_243_843_200.0) -> None:  # 2009-06-01 08:00 UTC
        super().__init__()
        self.moment = start

    def time(self) -> float:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += seconds

    async def sleep(self, site_seconds: float) -> None:
        self.moment += max(site_seconds, 0.0)
        await asyncio.sleep(0)
