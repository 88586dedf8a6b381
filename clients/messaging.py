"""The outgoing queue (CcmMessaging): on disk, in order, until the management point acknowledged.

An entry holds the final message id and text, so a report whose acknowledgement was lost, or
whose client died between acknowledgement and removal, goes out again as the very same
message: the site knows it by id, sender and payload and keeps it once. Signing happens at
each send. One queue for all endpoints keeps the client's own order (chosen by us; the
product has one queue per address).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from clients.identity import Identity
from clients.journal import Journal
from clients.ledger import Ledger
from clients.transport import Outgoing, Transport
from emulator.clock import Clock
from emulator.errors import ManagementPointUnavailable
from emulator.protocol.report_file import ReportKind
from emulator.spool import Spool, SpoolEntry

# Refusals that will be the same the next time, whatever waits. Not among them: 401 and 403 (a
# client the site does not know yet), 408, 425 and 429 (try again later).
_LATER = {401, 403, 408, 425, 429}


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message as it lies in the queue."""

    message_id: str
    endpoint: str
    kind: ReportKind
    body: str
    queued: str  # site time, ISO

    @property
    def key(self) -> str:
        return self.message_id.strip("{}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"kind": self.kind.value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**(value | {"kind": ReportKind(value["kind"])}))


@dataclass(frozen=True, slots=True)
class SendResult:
    """What one attempt to empty the queue did."""

    sent: int
    held: int
    set_aside: int = 0
    last_error: str | None = None


class Messaging:
    """Posts messages durably and sends them in order."""

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        transport: Transport,
        clock: Clock,
        journal: Journal,
        timeout: float = 0.0,
    ) -> None:
        """``timeout``: site seconds a message may wait before it is deleted; 0: as long as it takes."""
        self._spool = Spool(folder, ".msg")
        self._identity = identity
        self._transport = transport
        self._clock = clock
        self._journal = journal
        self._timeout = timeout
        self._sending = asyncio.Lock()
        self.failures = 0  # attempts in a row that ended at an unavailable management point
        self.on_posted: Callable[[], None] = lambda: None

    # -- putting in ----------------------------------------------------------------

    def compose(self, endpoint: str, body: str, kind: ReportKind) -> QueuedMessage:
        """Give a message its final id and text."""
        return QueuedMessage(self._identity.new_id(), endpoint, kind, body, self._clock.now().isoformat())

    async def post(self, endpoint: str, body: str, kind: ReportKind) -> str:
        """Queue a message; returns its id once it is on disk."""
        return await self.put(self.compose(endpoint, body, kind))

    async def put(self, message: QueuedMessage) -> str:
        """Queue a composed message; one that is already held is left as it is."""
        await self._spool.put(message.key, json.dumps(message.to_json()).encode())
        self._journal.note("queued", kind=message.kind.value, message_id=message.message_id)
        self.on_posted()
        return message.message_id

    async def put_with(self, ledger: Ledger, messages: list[QueuedMessage], **changes: Any) -> None:
        """Keep an agent's changed memory and the messages that tell of it, both or neither.

        The messages are first written into the memory itself; ``recover`` queues what a
        killed client left there.
        """
        ledger.save(**changes, outgoing=[*ledger.value.get("outgoing", []), *(m.to_json() for m in messages)])
        await self.recover(ledger)

    async def recover(self, ledger: Ledger) -> None:
        """Queue what an agent's memory says is to be sent."""
        async with ledger.lock:
            while outgoing := ledger.value.get("outgoing", []):
                await self.put(QueuedMessage.from_json(outgoing[0]))
                ledger.save(outgoing=ledger["outgoing"][1:])

    # -- what is held --------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._spool)

    def held(self) -> list[QueuedMessage]:
        """The queue, oldest first."""
        return [self._read(entry) for entry in self._spool.entries()]

    def tell_what_is_held(self) -> None:
        """Say anew what is queued: a client that was killed may have kept a message and not said so."""
        for message in self.held():
            self._journal.note("queued", kind=message.kind.value, message_id=message.message_id)

    @property
    def pending(self) -> list[ReportKind]:
        """The kinds of what waits, oldest first."""
        return [message.kind for message in self.held()]

    @staticmethod
    def _read(entry: SpoolEntry) -> QueuedMessage:
        return QueuedMessage.from_json(json.loads(entry.read()))

    # -- sending -------------------------------------------------------------------

    async def flush(self) -> SendResult:
        """Send what is held, oldest first, until all is sent or the management point fails.

        Never raises for an outage: the entries stay, and the result says what was seen.
        """
        async with self._sending:
            sent = aside = 0
            for entry in self._spool.entries():
                message = self._read(entry)
                if not self._identity.registered:
                    return self._kept(message, sent, aside, "the client is not registered")
                if self._expired(message):
                    self._spool.remove(entry)
                    self._journal.note(
                        "message_expired", message_id=message.message_id, queued=message.queued
                    )
                    continue
                try:
                    await self._send(message)
                except ManagementPointUnavailable as exc:
                    if exc.status is None or not 400 <= exc.status < 500 or exc.status in _LATER:
                        self.failures += 1
                        return self._kept(message, sent, aside, str(exc))
                    self._spool.quarantine(entry, "refused", str(exc))
                    self._journal.note("set_aside", message_id=message.message_id, seen=str(exc))
                    aside += 1
                else:
                    self._acknowledged(entry)
                    sent += 1
            self.failures = 0
            return SendResult(sent, len(self._spool), aside)

    def _kept(self, message: QueuedMessage, sent: int, aside: int, reason: str) -> SendResult:
        """The end of an attempt: this message and all behind it stay where they are."""
        self._journal.log_only("kept", kind=message.kind.value, message_id=message.message_id, seen=reason)
        return SendResult(sent, len(self._spool), aside, reason)

    def _expired(self, message: QueuedMessage) -> bool:
        """Past its timeout: such a message is deleted, as ``ISmsMessage::SetTimeout`` says."""
        age = self._clock.time() - datetime.fromisoformat(message.queued).timestamp()
        return 0 < self._timeout <= age

    def _acknowledged(self, entry: SpoolEntry) -> None:
        """The management point has it on disk: forget it here."""
        self._spool.remove(entry)

    async def _send(self, message: QueuedMessage) -> None:
        with self._journal.operation(
            "send_report",
            kind=message.kind.value,
            message_id=message.message_id,
            endpoint=message.endpoint,
            url=self._transport.request_url,
        ) as evidence:
            outgoing = Outgoing(message.message_id, message.endpoint, message.body)
            evidence["uploaded"] = await self._transport.deliver(outgoing)
            evidence["status"] = 200
