"""SWMTRReportGen: which programs were used, and the report about it.

Usages are kept on disk as they are recorded; making a report takes them out in the same
step that queues it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from clients.identity import Identity
from clients.journal import Journal
from clients.ledger import Ledger
from clients.messaging import Messaging
from clients.reports import ReportHeaders
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.protocol.metering import REPORT_CONTENT, STILL_RUNNING, MeteringReport, Usage
from emulator.protocol.report_file import ReportKind

ENDPOINT = "MP_RelayEndpoint"
_ACTION = "{00000000-0000-0000-0000-000000000031}"


class MeteringAgent:
    """Records usage and reports it."""

    def __init__(
        self,
        settings: ClientSettings,
        identity: Identity,
        messaging: Messaging,
        headers: ReportHeaders,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._identity = identity
        self._messaging = messaging
        self._headers = headers
        self._clock = clock
        self._journal = journal
        self._ledger = Ledger(settings.data / "metering.json", usages=[])
        self._reporting = asyncio.Lock()

    def record_usage(
        self,
        file_name: str,
        *,
        product_name: str = "",
        user_name: str = "LAB\\user",
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> str:
        """Record that a program was used; returns the usage's own id.

        Without ``end`` the program still runs: the report's time stands in for it.
        """
        usage_id = self._identity.new_id()
        began = start or self._clock.now()
        usage = {
            "meter_data_id": usage_id,
            "user_name": user_name,
            "product_name": product_name or file_name,
            "file_name": file_name,
            "start": began.isoformat(),
            "end": end.isoformat() if end else None,
        }
        self._ledger.save(usages=[*self._ledger["usages"], usage])
        return usage_id

    async def report(self) -> str:
        """Report every recorded usage; returns the message id of the queued report."""
        async with self._reporting:
            await self._messaging.recover(self._ledger)
            now = self._clock.now()
            header = self._headers.make(REPORT_CONTENT, "Full", "1.0", _ACTION, "Software Metering")
            usages = []
            for value in self._ledger["usages"]:
                times = {
                    "start": datetime.fromisoformat(value["start"]),
                    "end": datetime.fromisoformat(value["end"]) if value["end"] else now,
                    "status": 0 if value["end"] else STILL_RUNNING,
                }
                usages.append(Usage(**(value | times)))
            report = MeteringReport(header, tuple(usages))
            message = self._messaging.compose(ENDPOINT, report.to_xml(), ReportKind.METERING)
            await self._messaging.put_with(self._ledger, [message], usages=[])
            self._journal.note(
                "collected",
                kind=ReportKind.METERING.value,
                usages=len(usages),
                message_id=message.message_id,
            )
            return message.message_id

    async def recover(self) -> None:
        """Queue what an earlier life of this client had made but not queued."""
        await self._messaging.recover(self._ledger)
