"""What every component that drains an inbox does: each file once, oldest first, none lost.

Theory of operation. A file and its transaction form a pair: the transaction inserts the
receipt and what the report says, and only after it has committed is the file removed. A crash
before the commit leaves the file and no trace in the database; a crash after it leaves the
file and its receipt, and the receipt makes the second load do nothing but remove the file.
What has gathered is loaded by the chunk, many pairs in one transaction: most of what a report
costs is its commit. Where one of them is wrong, each goes for itself.

Three things can be wrong, and they are kept apart:

- the site database is away: the file stays first in the queue and is tried again;
- the file can never be loaded: it goes aside (BADMIFS and its like) and the queue moves on;
- the file was understood but must not be applied (a missed delta): what follows from that,
  a resync request, is stored with the receipt, and then the file goes aside as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from emulator.errors import MalformedMessage, SiteDatabaseUnavailable, UnknownClient
from emulator.logs import get_logger
from emulator.protocol.report import ReportHeader
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import reports, resources
from emulator.site_database.database import Session
from emulator.site_database.resources import Resource
from emulator.site_server.component import SiteServerPart
from emulator.spool import Spool, SpoolEntry, write_durably

Content = TypeVar("Content")

# SQLSTATE classes that speak about the report: data exception, integrity constraint violation.
# Every other database error (deadlock, disk full, ...) passes, so the file waits for that.
UNLOADABLE = ("22", "23")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A report that was understood and is not applied; the file goes to ``subfolder``."""

    subfolder: str
    reason: str


class InboxComponent(ABC, Generic[Content]):
    """Loads the files of one inbox into the site database."""

    kind: ReportKind
    log_name: str
    bad_folder: str  # for what cannot be understood
    unknown_folder: str  # for reports of machines the site does not know
    retry_seconds = 5.0  # site time between attempts while the database is away
    chunk_size = 100  # files in one transaction
    least_pause = 0.05  # real seconds: a fast clock must not turn waiting into spinning

    def __init__(self, role: SiteServerPart, spool: Spool) -> None:
        self.role = role
        self.spool = spool
        self._resources: dict[str, Resource] | None = None  # of the chunk that is being loaded
        self.log = get_logger(self.log_name, role=role.settings.role.name)

    # -- what a component fills in -------------------------------------------------

    @abstractmethod
    def understand(self, file: ReportFile) -> Content:
        """Parse the payload.

        Raises:
            MalformedMessage: it can never be loaded.
        """

    @abstractmethod
    async def store(
        self, session: Session, file: ReportFile, content: Content, receipt: int
    ) -> Rejection | None:
        """Store one report; runs inside the transaction that inserted its receipt.

        Raises:
            UnknownClient: the site has no resource for the sender; nothing is kept.
        """

    # -- the loop ------------------------------------------------------------------

    async def run(self) -> None:
        """Drain the inbox until cancelled."""
        while True:
            await self.wait()
            try:
                await self.drain()
            except SiteDatabaseUnavailable as exc:
                self.log.warning("waiting for the site database", held=len(self.spool), reason=str(exc))
                await self.pause(self.retry_seconds)
            except Exception as exc:
                # The disk, or an error of the database that is not about one report. The queue
                # stays as it is: order is worth more than a moment.
                self.log.exception("the inbox cannot be drained", held=len(self.spool), reason=str(exc))
                await self.pause(self.retry_seconds)

    async def wait(self) -> None:
        """Return when there is something to load."""
        with self.role.clock.resting():
            await self.spool.wait()

    async def drain(self) -> None:
        """Load what is held now, oldest first, chunk by chunk.

        Raises:
            SiteDatabaseUnavailable: the chunk at hand and all after it stay.
        """
        while chunk := self.spool.oldest(self.chunk_size):
            await self.load_chunk(chunk)

    async def pause(self, site_seconds: float) -> None:
        await self.role.clock.sleep(site_seconds, at_least=self.least_pause)

    # -- one file ------------------------------------------------------------------

    async def load(self, entry: SpoolEntry) -> None:
        """Load one file and remove it, or lay it aside."""
        read = self.read(entry)
        if read is None:
            return
        try:
            async with self.role.database.transaction() as session:
                receipt = await reports.receipt(session, read[0], self.role.clock.now())
                rejection = await self.load_once(session, entry, *read, receipt)
        except UnknownClient as exc:
            self.quarantine(entry, self.unknown_folder, str(exc))
            return
        except SiteDatabaseUnavailable:
            raise
        except Exception as exc:
            if not unloadable(exc):
                raise
            self.quarantine(entry, self.bad_folder, f"{type(exc).__name__}: {exc}")
            return
        if rejection:
            self._tell(entry, rejection)
        await self.finish([entry])

    def _tell(self, entry: SpoolEntry, rejection: Rejection) -> None:
        self.log.warning(
            "rejected", file=entry.path.name, folder=rejection.subfolder, reason=rejection.reason
        )

    async def load_chunk(self, chunk: Sequence[SpoolEntry]) -> None:
        """Load files together; if one of them spoils the transaction, one after the other."""
        readable = [(entry, *read) for entry in chunk if (read := self.read(entry))]
        if len(readable) > 1 and await self._load_together(readable):
            return
        for entry, _, _ in readable:
            await self.load(entry)

    async def _load_together(self, readable: list[tuple[SpoolEntry, ReportFile, Content]]) -> bool:
        # Client by client, each one's reports in their order: every component then locks machines in the
        # same order, and none waits for another that waits for it.
        readable.sort(key=lambda item: item[1].sender)
        rejected: dict[SpoolEntry, Rejection] = {}
        files = [file for _, file, _ in readable]
        try:
            async with self.role.database.transaction() as session:
                receipts = await reports.receipts(session, files, self.role.clock.now())
                self._resources = await resources.find_all(session, {file.sender for file in files})
                for (entry, file, content), receipt in zip(readable, receipts, strict=True):
                    if rejection := await self.load_once(session, entry, file, content, receipt):
                        rejected[entry] = rejection
        except SiteDatabaseUnavailable:
            raise
        except Exception as exc:
            # Also what is not about one report: whoever is to blame is found one by one.
            self.log.info("the chunk is loaded file by file", files=len(readable), reason=str(exc))
            readable.sort(key=lambda item: item[0])
            return False
        finally:
            self._resources = None
        for entry, rejection in rejected.items():
            self._tell(entry, rejection)
        await self.finish([entry for entry, _, _ in readable])
        return True

    def read(self, entry: SpoolEntry) -> tuple[ReportFile, Content] | None:
        """The file and what it says, or None when it went aside."""
        try:
            file = ReportFile.from_bytes(entry.read())
            if file.kind is not self.kind:
                raise MalformedMessage(f"a {file.kind} report in the inbox for {self.kind}")
            return file, self.understand(file)
        except FileNotFoundError:
            self.log.warning("the file is gone", file=entry.path.name)
            self.spool.remove(entry)
        except OSError:
            raise  # the disk, not the file
        except Exception as exc:  # whatever a stranger's bytes provoke must not stop the queue
            self.quarantine(entry, self.bad_folder, f"{type(exc).__name__}: {exc}")
        return None

    async def load_once(
        self, session: Session, entry: SpoolEntry, file: ReportFile, content: Content, receipt: int | None
    ) -> Rejection | None:
        """The report, inside the transaction that made its receipt; there is none if it was loaded before."""
        if receipt is None:
            self.log.info("loaded before", file=entry.path.name, message_id=file.message_id)
            return None
        rejection = await self.store(session, file, content, receipt)
        if rejection:
            # Before the commit: a crash in between must not leave the file nowhere.
            self.lay_copy_aside(entry, rejection)
        else:
            self.log.info("loaded", file=entry.path.name, message_id=file.message_id, sender=file.sender)
        return rejection

    def lay_copy_aside(self, entry: SpoolEntry, rejection: Rejection) -> None:
        aside = self.spool.folder / rejection.subfolder
        aside.mkdir(parents=True, exist_ok=True)
        write_durably(aside / entry.path.name, entry.read())
        (aside / f"{entry.path.name}.reason.txt").write_text(rejection.reason + "\n", encoding="utf-8")

    def quarantine(self, entry: SpoolEntry, subfolder: str, reason: str) -> None:
        """Take a file that can never be loaded out of the queue."""
        self.log.error("quarantined", file=entry.path.name, folder=subfolder, reason=reason)
        self.spool.quarantine(entry, subfolder, reason)

    async def finish(self, entries: Sequence[SpoolEntry]) -> None:
        """Remove files whose transaction has committed."""
        await self.spool.remove_all(entries)

    # -- whose report it is --------------------------------------------------------

    async def resource(self, session: Session, smsid: str) -> Resource | None:
        """The client's resource, if the site knows it; those of a chunk are looked up together."""
        known = self._resources
        if known is None:
            known = await resources.find_all(session, [smsid])
        return known.get(smsid)

    async def resource_of(self, session: Session, smsid: str) -> int:
        """The client's ResourceID.

        Raises:
            UnknownClient: the site has no resource with this identity.
        """
        found = await self.resource(session, smsid)
        if found is None:
            raise UnknownClient(f"the site has no resource {smsid}")
        return found.resource_id


def unloadable(error: Exception) -> bool:
    """Is it the report's fault?

    What the database says, it says with an SQLSTATE; an error without one comes from our own
    reading of the report, and would come again at every attempt. A full disk is neither.
    """
    if isinstance(error, OSError):
        return False
    state = getattr(error, "sqlstate", None)
    return state is None or str(state).startswith(UNLOADABLE)


def require_own(file: ReportFile, header: ReportHeader) -> None:
    """A report speaks for its sender only: the management point has verified no other name.

    Raises:
        MalformedMessage: it speaks for another client.
    """
    if header.client_id != file.sender:
        raise MalformedMessage(f"{file.sender} sent a report of {header.client_id}")
