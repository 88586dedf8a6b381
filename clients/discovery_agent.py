"""Heartbeat discovery: tells the site that the client is there, and where."""

from __future__ import annotations

from clients.identity import Identity
from clients.journal import Journal
from clients.machine import Machine
from clients.messaging import Messaging
from clients.reports import ReportHeaders
from clients.settings import ClientSettings
from emulator.protocol.discovery import heartbeat
from emulator.protocol.inventory import DISCOVERY_ACTION
from emulator.protocol.report import INVENTORY_DATA
from emulator.protocol.report_file import ReportKind

ENDPOINT = "MP_DdrEndpoint"


class DiscoveryAgent:
    """Makes discovery data records."""

    def __init__(
        self,
        settings: ClientSettings,
        identity: Identity,
        messaging: Messaging,
        headers: ReportHeaders,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._messaging = messaging
        self._headers = headers
        self._journal = journal
        self._machine = Machine(settings.name, settings.domain, settings.seed)

    async def heartbeat(self) -> str:
        """Collect a heartbeat DDR; returns the message id of the queued report."""
        settings = self._settings
        properties = self._machine.discovery(
            self._identity.smsid,
            settings.site_code,
            settings.ip_address,
            settings.subnet,
            settings.ad_site,
        )
        header = self._headers.make(INVENTORY_DATA, "Full", "1.0", DISCOVERY_ACTION, "Discovery")
        header = self._headers.make(INVENTORY_DATA, "Full", "1.0", DISCOVERY_ACTION, "Discovery")
        report = heartbeat(header, properties)
        message_id = await self._messaging.post(ENDPOINT, report.to_xml(), ReportKind.DISCOVERY)
        self._journal.note("collected", kind=ReportKind.DISCOVERY.value, message_id=message_id)
        return message_id
