"""File collection: the part of the software inventory processor that keeps copies of files."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.protocol.file_collection import CollectedFile, collected_files
from emulator.protocol.report import Report, ReportHeader
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import collected_files as files_kept
from emulator.site_database.database import Session
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own


@dataclass(frozen=True, slots=True)
class FileCollection:
    """One report of collected files."""

    header: ReportHeader
    files: tuple[CollectedFile, ...]


class FileCollectionProcessor(InboxComponent[FileCollection]):
    """Stores collected files, every collection as a new revision."""

    kind = ReportKind.FILE_COLLECTION
    log_name = "sinvproc"
    bad_folder = "badsinv"
    unknown_folder = "badsinv/InvalidMachine"

    def understand(self, file: ReportFile) -> FileCollection:
        report = Report.from_xml(file.payload)
        require_own(file, report.header)
        return FileCollection(report.header, collected_files(report))

    async def store(
        self, session: Session, file: ReportFile, content: FileCollection, receipt: int
    ) -> Rejection | None:
        machine_id = await self.resource_of(session, file.sender)
        await files_kept.store(session, machine_id, content.files, content.header.date)
        return None
