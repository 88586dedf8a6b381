"""MP File Dispatch Manager (mpfdm): carries outbox files to the site server's inboxes.

Oldest first, each outbox for itself: a client's reports of one kind arrive in the order in which they
were accepted. What has gathered in an outbox travels together. When the site server cannot be reached
it sleeps 30 seconds and tries again, without limit, as documented. A file is deleted only after the
site server said that it holds it; a file that is sent again changes nothing there, because its name is
made from its content.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Sequence
from typing import Protocol

import aiohttp

from emulator.clock import Clock
from emulator.errors import MalformedMessage, SiteServerUnavailable
from emulator.logs import get_logger
from emulator.management_point.outboxes import Outboxes
from emulator.protocol.report_batch import MOST_BYTES, MOST_FILES, encode_batch
from emulator.protocol.report_file import INBOX, SUFFIX, ReportKind, message_id_of
from emulator.spool import SpoolEntry

RETRY_SECONDS = 30.0  # of site time
_SHORTEST_RETRY = 0.05  # real seconds: a fast clock must not become a busy loop
_LONGEST_ANSWER = 500  # characters of the site server's answer that are worth keeping


class InboxSource(Protocol):
    """Where files go; the product finds it in the remote registry under this name."""

    async def put(self, kind: ReportKind, key: str, content: bytes) -> None:
        """Returns when the site server holds the file.

        Raises:
            MalformedMessage: it will never take it.
            SiteServerUnavailable: it did not take it now.
        """

    async def put_all(self, kind: ReportKind, files: Sequence[tuple[str, bytes]]) -> None:
        """Several files, kept in this order; raises as ``put``, and then perhaps none of them is held."""


class SiteServerInboxes:
    """The inboxes over HTTP: in the product, a share of the site server."""

    # What says that the file itself is wrong; anything else may pass.
    REJECTIONS = (400, 413, 422)

    def __init__(self, session: aiohttp.ClientSession, url: str | None, secret: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}"}

    async def put(self, kind: ReportKind, key: str, content: bytes) -> None:
        await self._send("PUT", f"{INBOX[kind]}/{key}{SUFFIX[kind]}", content)

    async def put_all(self, kind: ReportKind, files: Sequence[tuple[str, bytes]]) -> None:
        await self._send("POST", INBOX[kind], encode_batch(files))

    async def _send(self, method: str, path: str, content: bytes) -> None:
        if self._url is None:
            raise SiteServerUnavailable("no site server is named in the settings")
        try:
            async with self._session.request(
                method, f"{self._url}/inboxes/{path}", data=io.BytesIO(content), headers=self._headers
            ) as response:
                status, answer = response.status, (await response.text(errors="replace"))[:_LONGEST_ANSWER]
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise SiteServerUnavailable(f"{type(exc).__name__}: {exc}") from exc
        if status in self.REJECTIONS:
            raise MalformedMessage(f"HTTP {status} {answer.strip()}", raw=content)
        if status not in (200, 201):
            raise SiteServerUnavailable(f"HTTP {status} {answer.strip()}")


class FileDispatchManager:
    """Empties the outboxes."""

    log = get_logger("mpfdm")

    def __init__(self, outboxes: Outboxes, inbox_source: InboxSource, clock: Clock) -> None:
        self._outboxes = outboxes
        self._inbox_source = inbox_source
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        with self._clock.resting():  # those that are started work
            await self._empty_all()

    async def _empty_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind in self._outboxes.spools:
                group.create_task(self.empty(kind), name=f"mpfdm:{kind}")

    async def empty(self, kind: ReportKind) -> None:
        """Empty one outbox, for ever."""
        spool = self._outboxes.spools[kind]
        with self._clock.at_work():
            while True:
                with self._clock.resting():
                    await spool.wait()
                entries = spool.oldest(MOST_FILES)
                if len(entries) > 1:
                    moved = await self.dispatch_together(kind, entries)
                else:
                    moved = await self.dispatch(kind, entries[0])
                if not moved:
                    await self.sleep()

    async def sleep(self) -> None:
        """Between two tries of one file."""
        await self._clock.sleep(RETRY_SECONDS, at_least=_SHORTEST_RETRY)

    async def dispatch(self, kind: ReportKind, entry: SpoolEntry) -> bool:
        """Bring one file over; False when it has to be tried again."""
        spool = self._outboxes.spools[kind]
        try:
            content = await asyncio.to_thread(entry.read)
            await self._inbox_source.put(kind, entry.key, content)
            spool.remove(entry)
        except MalformedMessage as exc:
            return self._set_aside(kind, entry, str(exc))
        except FileNotFoundError:
            self.log.error("file was taken out of the outbox by somebody else", file=str(entry.path))
            spool.remove(entry)
        except (SiteServerUnavailable, OSError) as exc:
            self._sleeps(kind, str(exc))
            return False
        else:
            self._tell_moved([(entry, content)])
        return True

    async def dispatch_together(self, kind: ReportKind, entries: Sequence[SpoolEntry]) -> bool:
        """Bring the oldest files over in one request; False when that has to be tried again.

        Where one of them is wrong or gone each goes for itself.
        """
        spool = self._outboxes.spools[kind]
        try:
            files = await asyncio.to_thread(_read, entries)
            await self._inbox_source.put_all(kind, [(entry.key, content) for entry, content in files])
            await spool.remove_all([entry for entry, _ in files])
        except (MalformedMessage, FileNotFoundError):
            for entry in entries:
                if not await self.dispatch(kind, entry):
                    return False
        except (SiteServerUnavailable, OSError) as exc:
            self._sleeps(kind, str(exc))
            return False
        else:
            self._tell_moved(files)
        return True

    def _tell_moved(self, files: Sequence[tuple[SpoolEntry, bytes]]) -> None:
        """A line a file, by which its message is followed from the client to the database."""
        if not self.log.isEnabledFor(logging.INFO):
            return  # a head is not read for nobody
        for entry, content in files:
            self.log.info(
                "file moved to the site server",
                box=entry.path.parent.name,
                file=entry.path.name,
                message_id=message_id_of(content),
            )

    def _set_aside(self, kind: ReportKind, entry: SpoolEntry, reason: str) -> bool:
        try:
            aside = self._outboxes.spools[kind].quarantine(entry, "rejected", reason)
        except OSError as exc:
            self._sleeps(kind, str(exc))
            return False
        self.log.error("file rejected by the site server", file=str(aside), reason=reason)
        return True

    def _sleeps(self, kind: ReportKind, reason: str) -> None:
        spool = self._outboxes.spools[kind]
        self.log.warning(
            "cannot connect to the inbox source, sleep 30 seconds and try again",
            box=spool.folder.name,
            waiting=len(spool),
            reason=reason,
        )


def _read(entries: Sequence[SpoolEntry]) -> list[tuple[SpoolEntry, bytes]]:
    """The contents of the oldest files, as many as travel together; at least one."""
    files: list[tuple[SpoolEntry, bytes]] = []
    room = MOST_BYTES
    for entry in entries:
        content = entry.read()
        room -= len(content)
        if room < 0 and files:
            break
        files.append((entry, content))
    return files
