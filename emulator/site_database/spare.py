"""A database that lies ready to take the place of the one in use.

Copying one takes longer than everything else that a site does to go back to what it was. So it is done
while nobody waits: as soon as a copy has taken its place, the next one is begun.
"""

from __future__ import annotations

import asyncio

from emulator.logs import get_logger
from emulator.site_database.schema import create_database, drop_database, replace_database

CLOSE_SECONDS = 2.0  # real; a frozen server makes whoever is at work wait far longer


class SpareDatabase:
    """At most one copy at a time, of whichever database it is asked for."""

    log = get_logger("snapshots")

    def __init__(self, admin_dsn: str, database: str) -> None:
        """``database``: the one in use; the copy's name, and that of what was replaced, are made from it."""
        self._admin = admin_dsn
        self._database = database
        self._fresh, self._old = f"{database}_fresh", f"{database}_old"
        self._kept: str | None = None  # what the copy is one of
        self._copying: asyncio.Task[None] | None = None

    def prepare(self, kept: str) -> None:
        """Begin to copy ``kept``, unless a copy of it is there or under way."""
        failed = self._copying and self._copying.done() and self._copying.exception()
        if self._kept != kept or failed:
            self._kept = kept
            self._copying = asyncio.create_task(self._copy(kept, self._copying))
            self._copying.add_done_callback(self._tell)

    async def _copy(self, kept: str, before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        for left_over in (self._old, self._fresh):
            await drop_database(self._admin, left_over)
        await create_database(self._admin, self._fresh, kept)

    def _tell(self, copying: asyncio.Task[None]) -> None:
        if not copying.cancelled() and (error := copying.exception()):
            self.log.warning("no spare database was laid out", reason=f"{type(error).__name__}: {error}")

    async def put_in_place(self, kept: str) -> None:
        """The copy of ``kept`` becomes the database in use; without one it is made first.

        Raises:
            SiteDatabaseUnavailable: the server does not answer; the database in use is the one it was.
        """
        self.prepare(kept)
        assert self._copying
        copying = self._copying
        await asyncio.wait([copying])  # whoever gives up waiting does not end it
        copying.result()
        self._kept = self._copying = None  # whatever becomes of it now, the next one is made anew
        await replace_database(self._admin, self._database, self._fresh, self._old)

    async def settled(self) -> None:
        """Return when nothing is being copied; what failed is tried again when it is needed."""
        if self._copying:
            await asyncio.wait([self._copying])

    async def forget(self, kept: str) -> None:
        """There is to be no copy of ``kept`` any more.

        Raises:
            SiteDatabaseUnavailable: the server does not answer.
        """
        if self._kept == kept:
            await self.settled()
            self._kept = self._copying = None
            await drop_database(self._admin, self._fresh)

    async def close(self) -> None:
        """Let what is under way come to its end, if it does so soon."""
        if self._copying:
            await asyncio.wait([self._copying], timeout=CLOSE_SECONDS)
            self._copying.cancel()
            await asyncio.wait([self._copying])
        self._kept = self._copying = None
