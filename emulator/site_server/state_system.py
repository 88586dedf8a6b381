"""State System (statesys): state messages, gathered for a while.

The product waits ten seconds after a notification, so that one pass finds many files, and
gives a chunk of them to the database at once. So does this, but waits no longer than a real
second: at the speed of real time a test should not wait for company that will not come.
"""

from __future__ import annotations

from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.protocol.state import StateReport
from emulator.site_database import state
from emulator.site_database.database import Session
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own


class StateSystem(InboxComponent[StateReport]):
    """Loads state messages, those of a few seconds together."""

    kind = ReportKind.STATE
    log_name = "statesys"
    bad_folder = "../corrupt"  # beside incoming, as in the product
    unknown_folder = "../corrupt"
    gathering_seconds = 10.0  # site time
    longest_gathering = 1.0  # real seconds

    def understand(self, file: ReportFile) -> StateReport:
        report = StateReport.from_xml(file.payload)
        require_own(file, report.header)
        return report

    async def store(
        self, session: Session, file: ReportFile, content: StateReport, receipt: int
    ) -> Rejection | None:
        machine_id = await self.resource_of(session, file.sender)
        await state.store(session, receipt, machine_id, content.messages)
        return None

    async def drain(self) -> None:
        await self.role.clock.sleep(self.gathering_seconds, at_most=self.longest_gathering)
        await super().drain()
