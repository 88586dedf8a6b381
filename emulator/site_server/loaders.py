"""Which component drains which inbox: the site server's report side as one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.protocol.report_file import ReportKind
from emulator.site_server.component import SiteServerPart
from emulator.site_server.discovery_data_manager import DiscoveryDataManager
from emulator.site_server.file_collection_processor import FileCollectionProcessor
from emulator.site_server.idmif_loader import IdmifLoader
from emulator.site_server.inbox_component import InboxComponent
from emulator.site_server.inboxes import Inboxes
from emulator.site_server.inventory_data_loader import InventoryDataLoader
from emulator.site_server.metering_processor import MeteringProcessor
from emulator.site_server.software_inventory_processor import SoftwareInventoryProcessor
from emulator.site_server.state_system import StateSystem
from emulator.site_server.status_manager import StatusManager

LOADERS: Mapping[ReportKind, type[InboxComponent[Any]]] = {
    loader.kind: loader
    for loader in (
        InventoryDataLoader,
        SoftwareInventoryProcessor,
        DiscoveryDataManager,
        MeteringProcessor,
        StatusManager,
        StateSystem,
        FileCollectionProcessor,
        IdmifLoader,
    )
}


def make_loaders(
    role: SiteServerPart,
    inboxes: Inboxes,
    others: Mapping[ReportKind, type[InboxComponent[Any]]] | None = None,
) -> list[InboxComponent[Any]]:
    """One component for every inbox: one task an inbox is what keeps a client's reports in order.

    ``others`` puts another class in a loader's place.
    """
    chosen = {**LOADERS, **(others or {})}
    return [loader(role, inboxes.spools[kind]) for kind, loader in chosen.items()]
