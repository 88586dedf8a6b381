"""StateMessage: state messages with a serial number that is never used twice."""

from __future__ import annotations

import asyncio

from clients.journal import Journal
from clients.ledger import Ledger
from clients.messaging import Messaging
from clients.reports import ReportHeaders
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.protocol.report_file import ReportKind
from emulator.protocol.state import REPORT_CONTENT, StateMessage, StateReport

ENDPOINT = "MP_RelayEndpoint"
_ACTION = "{00000000-0000-0000-0000-000000000111}"
CLIENT_DEPLOYMENT = 800  # topic types of endpoints-and-messages.md section 8
SYSTEM_HEARTBEAT = 701


class StateAgent:
    """Raises state messages; each goes out as a report of its own."""

    def __init__(
        self,
        settings: ClientSettings,
        messaging: Messaging,
        headers: ReportHeaders,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._messaging = messaging
        self._headers = headers
        self._clock = clock
        self._journal = journal
        self._ledger = Ledger(settings.data / "state.json", serial=0)
        self._raising = asyncio.Lock()

    @property
    def serial(self) -> int:
        """The serial number used last."""
        return int(self._ledger["serial"])

    async def raise_state(self, topic_type: int, topic_id: str, state_id: int, details: str = "") -> str:
        """Queue a state message; returns its message id once it is on disk."""
        async with self._raising:
            await self._messaging.recover(self._ledger)
            serial = self.serial + 1
            header = self._headers.make(REPORT_CONTENT, "Full", "1.0", _ACTION, "State")
            state = StateMessage(
                serial=serial,
                time=self._clock.now(),
                topic_type=topic_type,
                topic_id=topic_id,
                state_id=state_id,
                details=details,
            )
            report = StateReport(header, (state,))
            message = self._messaging.compose(ENDPOINT, report.to_xml(), ReportKind.STATE)
            await self._messaging.put_with(self._ledger, [message], serial=serial)
            self._journal.note(
                "collected", kind=ReportKind.STATE.value, serial=serial, message_id=message.message_id
            )
            return message.message_id

    async def recover(self) -> None:
        """Queue what an earlier life of this client had raised but not queued."""
        await self._messaging.recover(self._ledger)
