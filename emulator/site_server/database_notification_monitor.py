"""SMS_DATABASE_NOTIFICATION_MONITOR (smsdbmon): tells components that a table changed.

Triggers in the site database announce every change; in the product this component drops files
into inboxes of the others, here it wakes them. Whoever made the change does not matter:
a management point's registration wakes the collection evaluator as an administrator does.

After a lost connection everybody makes a full pass, because what changed meanwhile was
announced to nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import ExitStack

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_server.component import Component, SiteServerPart

CHANNEL = "smsdbmon"


class DatabaseNotificationMonitor(Component):
    """Listens, and dispatches by the table's name."""

    log_name = "smsdbmon"

    def __init__(self, role: SiteServerPart, listeners: Sequence[Component]) -> None:
        super().__init__(role)
        self._listeners = listeners
        self._marks: dict[str, asyncio.Event] = {}  # what this monitor announced to hear it itself
        self._numbers = itertools.count(1)
        self._listening = False

    async def work(self) -> float | None:
        """Listen until the connection is lost.

        Raises:
            SiteDatabaseUnavailable: always, in the end.
        """
        with ExitStack() as rest:

            def heard(table: str) -> None:
                # The empty word says that it listens: from here on it waits. A notice may come sooner, and
                # from the event loop, where there is no task that could rest.
                if not table and not self._listening:
                    self._listening = True
                    rest.enter_context(self.clock.resting())
                self.heard(table)

            try:
                await self.database.listen(CHANNEL, heard)
            finally:
                self._listening = False
                for mark in self._marks.values():
                    mark.set()
        raise SiteDatabaseUnavailable("the site database ended the session")

    async def caught_up(self) -> None:
        """Return when everything that was announced before has been heard; at once if nobody listens.

        Notices come in the order of their commits, so one of our own comes after all of those.
        """
        if not self._listening:
            return
        name = f"#{next(self._numbers)}"
        mark = self._marks[name] = asyncio.Event()
        try:
            await self.database.execute("smsdbmon_announce", CHANNEL, name)
            await mark.wait()
        except SiteDatabaseUnavailable:
            return  # nobody announces anything any more
        finally:
            del self._marks[name]

    def heard(self, table: str) -> None:
        """Wake whoever looks at this table; everybody, for an empty name."""
        if table in self._marks:
            self._marks[table].set()
            return
        for listener in self._listeners:
            if not table or table.lower() in listener.tables:
                listener.wake()
