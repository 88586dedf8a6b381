"""Software Metering Processor (swmproc): who used which program, from when to when."""

from __future__ import annotations

from emulator.protocol.metering import MeteringReport
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import metering
from emulator.site_database.database import Session
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own


class MeteringProcessor(InboxComponent[MeteringReport]):
    """Loads metering reports, each usage under its MeterDataID."""

    kind = ReportKind.METERING
    log_name = "swmproc"
    bad_folder = "corrupt"  # not documented: the name the state system uses
    unknown_folder = "corrupt"

    def understand(self, file: ReportFile) -> MeteringReport:
        report = MeteringReport.from_xml(file.payload)
        require_own(file, report.header)
        return report

    async def store(
        self, session: Session, file: ReportFile, content: MeteringReport, receipt: int
    ) -> Rejection | None:
        machine_id = await self.resource_of(session, file.sender)
        await metering.store(session, receipt, machine_id, content.usages)
        return None
