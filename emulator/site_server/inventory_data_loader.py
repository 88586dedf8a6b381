"""Inventory Data Loader (dataldr): hardware inventory.

Rejects go to BADMIFS under the product's folder names, and a resync raises status message
2722, as the product does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from emulator.protocol.report import Instance, Report
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import inventory
from emulator.site_database.database import Session
from emulator.site_database.inventory import Key
from emulator.site_server.inbox_component import Rejection
from emulator.site_server.inventory_component import InventoryComponent
from emulator.site_server.site_status import WARNING, SiteStatus

RESYNC_REQUESTED = 2722  # hardware inventory resync requested
COMPONENT = "SMS_INVENTORY_DATA_LOADER"
CLIENT_ID = 408  # status message attribute


class InventoryDataLoader(InventoryComponent):
    """Loads hardware inventory: any class, one row an instance; what changes becomes history."""

    kind = ReportKind.HARDWARE_INVENTORY
    log_name = "dataldr"
    bad_folder = "BADMIFS"
    unknown_folder = "BADMIFS/InvalidMachine"
    action = "Hardware"

    def understand(self, file: ReportFile) -> Report:
        report = super().understand(file)
        return replace(report, instances=tuple(distinct(report.instances)))

    async def replace(self, session: Session, machine_id: int, report: Report) -> None:
        await inventory.replace(session, machine_id, report.instances, report.header.date)

    async def change(self, session: Session, machine_id: int, report: Report) -> Sequence[Key]:
        return await inventory.apply_delta(session, machine_id, report.instances, report.header.date)

    async def resync_requested(self, session: Session, report: Report, rejection: Rejection) -> None:
        site_status = SiteStatus(self.role, COMPONENT)
        strings = (report.header.netbios_name, rejection.subfolder, rejection.reason)
        attributes = {CLIENT_ID: report.header.client_id}
        await site_status.report(session, RESYNC_REQUESTED, strings, attributes, WARNING)


def distinct(instances: Iterable[Instance]) -> list[Instance]:
    """Senders that do not name their instances may call two new ones the same; both are kept."""
    held: dict[Key, Instance] = {}
    for instance in instances:
        named, number = instance, 1
        while (
            named.content == "New"
            and (earlier := held.get((named.class_name, named.key))) is not None
            and earlier.content == "New"
            and earlier.properties != named.properties
        ):
            number += 1
            named = replace(instance, key=f"{instance.key}#{number}")
        held[named.class_name, named.key] = named
    return list(held.values())
