"""StatusAgent: status messages about what the client does, put into the outgoing queue.

Numbers 10008, 10009 and 10050 are documented; the others are customary and chosen by us
(client.md section 6). Event class names are those of the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from clients.identity import Identity
from clients.journal import Journal
from clients.messaging import Messaging, QueuedMessage
from emulator.clock import Clock
from emulator.protocol.report_file import ReportKind
from emulator.protocol.status import StatusMessage

ENDPOINT = "StatusReceiver"

# event class, message id
PROGRAM_STARTED = ("SoftDistProgramStartedEvent", 10005)
PROGRAM_SUCCEEDED = ("SoftDistProgramCompletedSuccessfullyEvent", 10008)
PROGRAM_FAILED = ("SoftDistProgramErrorEvent", 10006)
PROGRAM_INTERRUPTED = ("SoftDistProgramUnexpectedRebootEvent", 10012)
WAITING_FOR_CONTENT = ("SoftDistWaitingContentEvent", 10035)
CACHE_TOO_SMALL = ("SoftDistDownloadFailedEvent", 10050)
NO_CONTENT = ("SoftDistErrorNoContent", 10051)


class StatusAgent:
    """Composes and queues status messages."""

    def __init__(self, identity: Identity, messaging: Messaging, clock: Clock, journal: Journal) -> None:
        self._identity = identity
        self._messaging = messaging
        self._clock = clock
        self._journal = journal

    def compose(
        self, event: tuple[str, int], properties: Mapping[str, str], time: datetime | None = None
    ) -> QueuedMessage:
        """A status message with its final id, not queued yet."""
        event_class, message_id = event
        status = StatusMessage(
            event_class=event_class,
            time=time or self._clock.now(),
            properties={**properties, "ClientID": self._identity.smsid},
            message_id=message_id,
        )
        message = self._messaging.compose(ENDPOINT, status.to_xml(), ReportKind.STATUS)
        self._journal.log_only(
            "status_made", event_class=event_class, number=message_id, message_id=message.message_id
        )
        return message

    async def raise_event(self, event_class: str, properties: Mapping[str, str], message_id: int) -> str:
        """Queue a status message; returns its id once it is on disk."""
        return await self._messaging.put(self.compose((event_class, message_id), properties))
