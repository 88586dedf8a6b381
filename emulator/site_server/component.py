"""A thread of SMS_EXECUTIVE: sleeps until it is told of a change, then makes one pass.

A pass looks at the database, not at the message that woke it, so that a notice lost while
nobody listened costs nothing: the next pass sees the same rows. Passes must write only
where something differs, because a write wakes the components again.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

from emulator.clock import Clock
from emulator.errors import SiteDatabaseUnavailable
from emulator.logs import get_logger
from emulator.settings import RoleSettings
from emulator.site_database.database import SiteDatabase


class SiteServerPart(Protocol):
    """What a component needs of the site server."""

    settings: RoleSettings
    clock: Clock
    database: SiteDatabase


class Component(ABC):
    """Makes a pass whenever one of its tables changed, and when a time has come."""

    log_name: str
    tables: frozenset[str] = frozenset()  # lower case, as smsdbmon announces them
    retry_seconds = 5.0  # site time between attempts while the database is away
    least_pause = 0.05  # real seconds: a fast clock must not turn waiting into spinning

    def __init__(self, role: SiteServerPart) -> None:
        self.role = role
        self.settings = role.settings
        self.clock = role.clock
        self.database = role.database
        self.log = get_logger(self.log_name, role=role.settings.role.name)
        self._woken = asyncio.Event()
        self._woken.set()  # the first pass needs no notice

    @abstractmethod
    async def work(self) -> float | None:
        """One pass; returns the site seconds after which another is due anyhow, or None.

        Raises:
            SiteDatabaseUnavailable: the pass is repeated later.
        """

    def wake(self) -> None:
        """Something changed: make another pass."""
        self._woken.set()

    async def run(self) -> None:
        """Make passes until cancelled."""
        due: float | None = None
        while True:
            await self._wait(due)
            self._woken.clear()
            try:
                due = await self.work()
            except SiteDatabaseUnavailable as exc:
                self.log.warning("waiting for the site database", reason=str(exc))
                due = await self._again()
            except Exception:
                # One bad pass must not end the component: its work would silently stop.
                self.log.exception("the pass failed; it is repeated")
                due = await self._again()

    async def _wait(self, site_seconds: float | None) -> None:
        await self.clock.wait_for(site_seconds, self._woken)

    async def _again(self) -> float:
        await self.pause(self.retry_seconds)
        return 0.0

    async def pause(self, site_seconds: float) -> None:
        """Sleep in site time, but never so briefly that waiting becomes spinning."""
        await self.clock.sleep(site_seconds, at_least=self.least_pause)
