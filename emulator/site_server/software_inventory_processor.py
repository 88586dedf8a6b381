"""Software Inventory Processor (sinvproc): which program files a machine has."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.errors import MalformedMessage
from emulator.protocol.inventory import SOFTWARE_CLASS
from emulator.protocol.report import Instance, Report
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import software
from emulator.site_database.database import Session
from emulator.site_database.inventory import Key
from emulator.site_database.software import File
from emulator.site_server.inventory_component import InventoryComponent

MAX_SIZE = 2**63 - 1  # bytes, what the column holds


class SoftwareInventoryProcessor(InventoryComponent):
    """Loads software inventory: one row a file, named by path and name."""

    kind = ReportKind.SOFTWARE_INVENTORY
    log_name = "sinvproc"
    bad_folder = "badsinv"
    unknown_folder = "badsinv/InvalidMachine"
    action = "Software"

    def understand(self, file: ReportFile) -> Report:
        report = super().understand(file)
        files_of(report)  # a file without a name makes the report a bad one, now
        return report

    async def replace(self, session: Session, machine_id: int, report: Report) -> None:
        await software.replace_files(session, machine_id, list(files_of(report, "New", "Updated").values()))

    async def change(self, session: Session, machine_id: int, report: Report) -> Sequence[Key]:
        stored = list(files_of(report, "New", "Updated").values())
        deleted = list(files_of(report, "Deleted").values())
        return await software.apply_delta(session, machine_id, stored, deleted)


def files_of(report: Report, *contents: str) -> dict[Key, File]:
    """The files whose last word is one of ``contents``, or all.

    Raises:
        MalformedMessage: a file has no name, or a size that is none.
    """
    last = {}
    for instance in report.instances:
        if instance.class_name == SOFTWARE_CLASS:
            file = _file(instance)
            last[file.key] = (file, instance.content)
    return {key: file for key, (file, content) in last.items() if not contents or content in contents}


def _file(instance: Instance) -> File:
    told = instance.properties
    name, size = told.get("Name", ""), told.get("Size", "").strip() or "0"
    if not name:
        raise MalformedMessage(f"<{SOFTWARE_CLASS}> has no Name")
    if not (size.isascii() and size.isdigit() and len(size) < 20 and int(size) <= MAX_SIZE):
        raise MalformedMessage(f"<{SOFTWARE_CLASS}>: Size {size[:40]!r} is no number of bytes")
    return File(
        path=told.get("Path", ""),
        name=name,
        version=told.get("FileVersion", ""),
        size=int(size),
        modified=told.get("LastWriteDate", ""),
        product=told.get("ProductName", ""),
        company=told.get("CompanyName", ""),
    )
