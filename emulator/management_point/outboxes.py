"""The outboxes: reports that were accepted and have not reached the site server yet.

One folder for each kind (management-point.md, section 4; the names of ddr.box, status.box,
swm.box, filecol.box and idmif.box are our choice). A report is the management point's from the
moment its file is on disk.
"""

from __future__ import annotations

from pathlib import Path

from emulator.protocol.report_file import SUFFIX, ReportFile, ReportKind
from emulator.spool import Spool, SpoolEntry

OUTBOX: dict[ReportKind, str] = {
    ReportKind.HARDWARE_INVENTORY: "hinv.box",
    ReportKind.SOFTWARE_INVENTORY: "sinv.box",
    ReportKind.DISCOVERY: "ddr.box",
    ReportKind.METERING: "swm.box",
    ReportKind.STATUS: "status.box",
    ReportKind.STATE: "StateMsg.box",
    ReportKind.FILE_COLLECTION: "filecol.box",
    ReportKind.IDMIF: "idmif.box",
}


class Outboxes:
    """One spool for every kind of report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spools = {kind: Spool(folder / OUTBOX[kind], SUFFIX[kind]) for kind in ReportKind}

    async def put(self, file: ReportFile) -> SpoolEntry:
        """Keep a report; returns when it is on disk.

        Raises:
            OSError: the disk refused; nothing is kept.
        """
        return await self.spools[file.kind].put(file.key, file.to_bytes())

    def backlog(self) -> dict[ReportKind, int]:
        """How many reports wait for the site server."""
        return {kind: len(spool) for kind, spool in self.spools.items()}
