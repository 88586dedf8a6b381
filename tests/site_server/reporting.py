"""Reports as a client makes them, and a desk at which one inbox component works through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.clock import Clock, ClockSettings
from emulator.protocol.discovery import heartbeat
from emulator.protocol.file_collection import REPORT_CONTENT, with_contents
from emulator.protocol.inventory import FILE_COLLECTION_ACTION, IDMIF_ACTION
from emulator.protocol.message_header import Attachment
from emulator.protocol.metering import MeteringReport, Usage
from emulator.protocol.report import INVENTORY_DATA, Instance, Report, ReportHeader
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.protocol.state import StateMessage, StateReport
from emulator.protocol.status import StatusMessage
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.database import SiteDatabase
from emulator.site_server.inbox_component import InboxComponent
from emulator.site_server.inboxes import Inboxes
from emulator.site_server.loaders import LOADERS
from emulator.spool import Spool
from tests.site_server.lab import HOST, SECRET, add_system

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SMSID = "GUID:11111111-2222-4333-8444-555555555555"


@dataclass
class Role:
    """As much of a site server as a component needs."""

    settings: RoleSettings
    clock: Clock
    database: SiteDatabase


class Desk:
    """The inboxes, and components made for them as a site server makes them."""

    def __init__(self, folder: Path, database: SiteDatabase, speed: float = 3600.0) -> None:
        me = RoleAddress(name="site_server", kind="site_server", computer="SITESRV", host=HOST, port=1)
        clock = ClockSettings(speed=speed)
        settings = RoleSettings(
            role=me, site_code="S01", roles=(me,), data=folder, secret=SECRET, clock=clock
        )
        self.database = database
        self.role = Role(settings, Clock(clock), database)
        self.folder = folder
        self.reopen()

    def reopen(self) -> None:
        """What a restarted site server finds on its disk."""
        self.inboxes = Inboxes(self.folder / "inboxes")

    def spool(self, kind: ReportKind) -> Spool:
        return self.inboxes.spools[kind]

    def component(self, kind: ReportKind, part: type[InboxComponent[Any]] | None = None) -> Any:
        return (part or LOADERS[kind])(self.role, self.spool(kind))

    async def put(self, *files: ReportFile) -> None:
        for file in files:
            await self.inboxes.put(file.kind, file.key, file.to_bytes())

    async def load(self, *files: ReportFile) -> None:
        """Put files and work until nothing waits."""
        await self.put(*files)
        for kind in {file.kind for file in files}:
            await self.component(kind).drain()
            assert len(self.spool(kind)) == 0

    async def add_client(self, smsid: str = SMSID, name: str = "PC01") -> int:
        return await add_system(self.database, name, SMS_Unique_Identifier0=smsid)

    async def all(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.database.fetch(query, *args)]

    async def receipts(self) -> int:
        return int(await self.database.fetchval("SELECT count(*) FROM InboxReceipt"))

    def aside(self, kind: ReportKind) -> dict[str, str]:
        """The files laid aside: subfolder -> the reasons there."""
        box = self.spool(kind).folder
        found: dict[str, str] = {}
        for path in sorted(box.parent.rglob("*.reason.txt")):
            if path.is_relative_to(box) or path.parent.name == "corrupt":
                folder = _below(path.parent, box)
                found[folder] = found.get(folder, "") + path.read_text()
                assert path.with_name(path.name.removesuffix(".reason.txt")).exists()
        return found


def _below(folder: Path, box: Path) -> str:
    return folder.relative_to(box).as_posix() if folder.is_relative_to(box) else f"../{folder.name}"


def report_file(kind: ReportKind, payload: str, sender: str = SMSID, message_id: str = "{1}") -> ReportFile:
    return ReportFile(kind=kind, message_id=message_id, sender=sender, payload=payload, received=NOON)


def header(
    version: str = "1.0", report_type: str = "Full", smsid: str = SMSID, minutes: int = 0
) -> ReportHeader:
    return ReportHeader(
        client_id=smsid,
        client_version="4.00.6487.2000",
        netbios_name="PC01",
        report_content=INVENTORY_DATA,
        report_type=report_type,
        version=version,
        date=NOON + timedelta(minutes=minutes),
        action_id="{00000000-0000-0000-0000-000000000001}",
        action_description="Hardware",
    )


def disk(key: str, free: int, content: str = "New") -> Instance:
    properties = {"DeviceID": key, "FreeSpace": str(free)}
    return Instance("Win32_LogicalDisk", "\\\\.\\root\\cimv2", content, properties, key)


def exe(name: str, version: str = "1.0", content: str = "New") -> Instance:
    properties = {"Name": name, "Path": "C:\\Tools\\", "FileVersion": version, "Size": "4096"}
    return Instance("FileSystemFile", "\\\\.\\root\\cimv2", content, properties, name)


def inventory(
    version: str,
    instances: Iterable[Instance] = (),
    *,
    kind: ReportKind = ReportKind.HARDWARE_INVENTORY,
    smsid: str = SMSID,
    minutes: int = 0,
) -> ReportFile:
    """Full when the minor number is 0, a delta otherwise."""
    report_type = "Full" if version.endswith(".0") else "Delta"
    report = Report(header(version, report_type, smsid, minutes), tuple(instances))
    return report_file(kind, report.to_xml(), smsid, message_id=f"{{{version}}}")


def ddr(properties: Mapping[str, str], smsid: str = SMSID, minutes: int = 0) -> ReportFile:
    report = heartbeat(header(smsid=smsid, minutes=minutes), properties)
    return report_file(ReportKind.DISCOVERY, report.to_xml(), smsid)


def metering(*usages: Usage, message_id: str = "{1}") -> ReportFile:
    return report_file(ReportKind.METERING, MeteringReport(header(), usages).to_xml(), message_id=message_id)


def usage(meter_data_id: str, minutes: int, status: int = 0) -> Usage:
    return Usage(
        meter_data_id, "LAB\\u", "Word", "winword.exe", NOON, NOON + timedelta(minutes=minutes), status
    )


def state(serial: int, details: str = "", smsid: str = SMSID) -> ReportFile:
    message = StateMessage(serial, NOON, 500, "{update}", 2, details)
    report = StateReport(header(smsid=smsid), (message,))
    return report_file(ReportKind.STATE, report.to_xml(), smsid, message_id=f"{{{serial}}}")


def event(
    event_class: str, message_id: int = 0, *, minutes: int = 0, smsid: str = SMSID, **properties: str
) -> ReportFile:
    told = {"AdvertisementId": "S0120001", "PackageName": "S0100001", "ProgramName": "Install", **properties}
    time = NOON + timedelta(minutes=minutes)
    status = StatusMessage(event_class, time, {**told, "ClientID": smsid}, message_id)
    return report_file(ReportKind.STATUS, status.to_xml(), smsid, message_id=f"{{{event_class}{minutes}}}")


def idmif(version: str, properties: Mapping[str, str], content: str = "New") -> ReportFile:
    """What a client says of a modem, say: full when the minor number is 0."""
    report_type = "Full" if version.endswith(".0") else "Delta"
    about = replace(header(version, report_type), report_content="IDMIF", action_id=IDMIF_ACTION)
    instance = Instance("LAB_Modem", "\\\\.\\root\\lab", content, properties, "COM1")
    return report_file(
        ReportKind.IDMIF, Report(about, (instance,)).to_xml(), message_id=f"{{idmif {version}}}"
    )


def collected(size: str = "3", content: bytes | None = b"one", message_id: str = "{1}") -> ReportFile:
    """A copy of a file, or its name alone."""
    about = replace(header(), report_content=REPORT_CONTENT, action_id=FILE_COLLECTION_ACTION)
    properties = {
        "Name": "boot.ini",
        "Path": "C:\\",
        "Size": size,
        "LastWriteDate": "20090601080000.000000+000",
    }
    instance = Instance("CollectedFile", "\\\\.\\root\\cimv2", "New", properties, "boot.ini")
    text = Report(about, (instance,)).to_xml()
    if content is not None:
        text = with_contents(text, (Attachment("boot.ini", content),))
    return report_file(ReportKind.FILE_COLLECTION, text, message_id=message_id)
