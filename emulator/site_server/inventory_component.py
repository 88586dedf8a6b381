"""What hardware and software inventory share: reports that build on each other.

A full report replaces what the site holds of a machine; a delta changes it. One out of turn
is not applied: the machine is marked for a resync, which the policy provider turns into a
policy, and the file goes where its kind of rejects go. Its receipt stays, so that the same
report sent again asks for nothing more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportFile
from emulator.site_database import inventory
from emulator.site_database.database import Session
from emulator.site_database.inventory import Action, Key
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own
from emulator.site_server.inventory_version import NONEXISTENT_ROW, is_full, require_numbered, violation


class InventoryComponent(InboxComponent[Report]):
    """Loads inventory reports in their turn."""

    action: Action

    @abstractmethod
    async def replace(self, session: Session, machine_id: int, report: Report) -> None:
        """Apply a full report."""

    @abstractmethod
    async def change(self, session: Session, machine_id: int, report: Report) -> Sequence[Key]:
        """Apply a delta; returns what it changes that the site does not have, nothing applied then."""

    async def resync_requested(self, session: Session, report: Report, rejection: Rejection) -> None:
        """Tell of a resync, where the product does."""

    def understand(self, file: ReportFile) -> Report:
        report = Report.from_xml(file.payload)
        require_own(file, report.header)
        require_numbered(report.header)
        return report

    async def store(
        self, session: Session, file: ReportFile, content: Report, receipt: int
    ) -> Rejection | None:
        machine_id = await self.resource_of(session, file.sender)
        last = await inventory.begin(session, machine_id, self.action)
        wrong = violation(last, content.header) or await self._apply(session, machine_id, content)
        if wrong:
            folder, reason = wrong
            rejection = Rejection(f"{self.bad_folder}/{folder}", reason)
            await inventory.request_resync(session, machine_id, self.action)
            await self.resync_requested(session, content, rejection)
            return rejection
        now = self.role.clock.now()
        await inventory.loaded(session, receipt, machine_id, self.action, content.header, now)
        return None

    async def _apply(self, session: Session, machine_id: int, report: Report) -> tuple[str, str] | None:
        if is_full(report.header):
            await self.replace(session, machine_id, report)
            return None
        missing = await self.change(session, machine_id, report)
        if not missing:
            return None
        return NONEXISTENT_ROW, f"changes {len(missing)} instances the site does not have, {missing[0]} first"
