"""IDMIF: the part of the inventory data loader for what is no hardware inventory.

These reports carry versions too, but nothing documents that they must come in their turn: a full
one replaces what is held of the machine, a delta changes it.
"""

from __future__ import annotations

from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import idmif
from emulator.site_database.database import Session
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own
from emulator.site_server.inventory_version import is_full


class IdmifLoader(InboxComponent[Report]):
    """Loads IDMIF reports."""

    kind = ReportKind.IDMIF
    log_name = "dataldr"
    bad_folder = "BADMIFS"
    unknown_folder = "BADMIFS/InvalidMachine"

    def understand(self, file: ReportFile) -> Report:
        report = Report.from_xml(file.payload)
        require_own(file, report.header)
        return report

    async def store(
        self, session: Session, file: ReportFile, content: Report, receipt: int
    ) -> Rejection | None:
        machine_id = await self.resource_of(session, file.sender)
        apply = idmif.replace if is_full(content.header) else idmif.change
        await apply(session, machine_id, content.instances, content.header.date)
        return None
