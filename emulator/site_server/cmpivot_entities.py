"""CMPivot entities: which property of an entity is which thing that a device has reported.

A device is not asked: it answers with what it told the site last, in hardware inventory, software
inventory and heartbeat discovery. Properties that no report carries are there, and empty. An entity
that nothing reported could fill (Process, Registry, EventLog ...) is not known here: an
empty table would say that the device has none.

A property is ``Name``, ``Name:kind`` or ``Name:kind=reported name``; ``-`` means that nothing reports it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Literal, cast

from emulator.site_database import operations
from emulator.site_database.condition import Column, Kind
from emulator.site_database.database import Database, Record

Row = dict[str, Any]
Source = Literal["hardware", "files", "discovery"]


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity; ``class_name`` is that of the hardware inventory."""

    name: str
    source: Source
    class_name: str
    reported: Mapping[str, str]  # property -> reported name
    kinds: Mapping[str, Kind]

    @property
    def columns(self) -> dict[str, Column]:
        return {"Device": Column("Device"), **{n: Column(n, kind) for n, kind in self.kinds.items()}}


TABLE: dict[tuple[str, Source, str], str] = {
    ("OS", "hardware", "Win32_OperatingSystem"):
        "Caption Version OSArchitecture CSName TotalVisibleMemorySize:integer BuildNumber InstallDate "
        "LastBootUpTime",
    ("ComputerSystem", "hardware", "Win32_ComputerSystem"):
        "Name Domain Manufacturer Model NumberOfProcessors:integer TotalPhysicalMemory:integer UserName "
        "SystemType",
    ("Bios", "hardware", "Win32_BIOS"): "SerialNumber Manufacturer Version SMBIOSBIOSVersion ReleaseDate",
    ("Processor", "hardware", "Win32_Processor"): "DeviceID Name MaxClockSpeed:integer NumberOfCores:integer",
    ("LogicalDisk", "hardware", "Win32_LogicalDisk"):
        "DeviceID Caption=DeviceID Description FileSystem VolumeName Size:integer FreeSpace:integer",
    ("NetworkAdapter", "hardware", "Win32_NetworkAdapter"): "DeviceID Name MACAddress AdapterType",
    ("InstalledSoftware", "hardware", "Win32Reg_AddRemovePrograms"):
        "ProductName=DisplayName Publisher ProductVersion=Version ProductCode=ProdID InstallDate",
    ("InstalledExecutable", "files", ""):
        "ExecutableName=FileName FilePath FileVersion FileSize:integer ProductName "
        "Publisher=CompanyName",
    ("File", "files", ""):
        "FileName=FullName Mode=- LastWriteTime=ModifiedDate Size:integer=FileSize "
        "Version=FileVersion Hash=-",
    ("IPConfig", "discovery", ""):
        "IPV4Address=IPAddresses IPSubnet=IPSubnets MACAddress=MACAddresses DNSDomain=FullDomainName "
        "InterfaceAlias=- Status=-",
    ("SystemConsoleUser", "discovery", ""):
        "SystemConsoleUser=User NumberOfConsoleLogons:integer=- LastConsoleUse=-",
    ("User", "discovery", ""): "UserName=User SID=-",
    ("Device", "discovery", ""): "Domain Name Client:integer ClientVersion ADSiteName OperatingSystem",
}  # fmt: skip
ALSO = {"disk": "logicaldisk", "operatingsystem": "os", "users": "user"}


def _entity(name: str, source: Source, class_name: str, words: str) -> Entity:
    reported: dict[str, str] = {}
    kinds: dict[str, Kind] = {}
    for word in words.split():
        left, _, told = word.partition("=")
        prop, _, kind = left.partition(":")
        reported[prop] = told or prop
        kinds[prop] = cast(Kind, kind or "string")
    return Entity(name, source, class_name, reported, kinds)


ENTITIES = {name.lower(): _entity(name, source, cls, words) for (name, source, cls), words in TABLE.items()}


def known(name: str) -> Entity | None:
    """The entity of this name, without regard to case."""
    return ENTITIES.get(ALSO.get(name.lower(), name.lower()))


def has_reported(device: Record, source: Source) -> bool:
    """Whether a device has sent the report that an entity is made of."""
    columns = {"hardware": "lasthwscan", "files": "lastswscan", "discovery": "last_ddr_time"}
    return device[columns[source]] is not None


async def rows_of(db: Database, device: Record, entity: Entity, argument: str | None) -> list[Row]:
    """What the device reported, as rows of the entity."""
    told = await _told(db, device, entity)
    if argument is not None:
        # KQL texts double the backslash, people often do not
        wanted = re.compile(translate(argument.replace("\\\\", "\\").lower()))
        told = [one for one in told if wanted.fullmatch(str(one["FullName"]).lower())]
    return [_row(device, entity, one) for one in told]


async def _told(db: Database, device: Record, entity: Entity) -> list[Mapping[str, Any]]:
    resource_id = device["itemkey"]
    if entity.source == "hardware":
        return list(await operations.instances(db, resource_id, entity.class_name))
    if entity.source == "files":
        files = await operations.files(db, resource_id)
        return [{**file, "FullName": _full_name(file)} for file in files]
    user = device["user_name0"] and f"{device['user_domain0'] or device['name0']}\\{device['user_name0']}"
    if entity.name in ("User", "SystemConsoleUser") and not user:
        return []
    return [
        {
            "User": user,
            "Name": device["name0"],
            "Domain": device["resource_domain_or_workgr0"],
            "FullDomainName": device["full_domain_name0"],
            "Client": device["client0"],
            "ClientVersion": device["client_version0"],
            "ADSiteName": device["ad_site_name0"],
            "OperatingSystem": device["operating_system_name_and0"],
            "IPAddresses": ", ".join(device["ip_addresses0"]),
            "IPSubnets": ", ".join(device["ip_subnets0"]),
            "MACAddresses": ", ".join(device["mac_addresses0"]),
        }
    ]


def _full_name(file: Mapping[str, Any]) -> str:
    path = str(file["FilePath"])
    return path + ("" if path.endswith("\\") or not path else "\\") + str(file["FileName"])


def _row(device: Record, entity: Entity, told: Mapping[str, Any]) -> Row:
    row: Row = {"Device": device["name0"]}
    for name, reported in entity.reported.items():
        value = told.get(reported)
        if entity.kinds[name] == "integer" and isinstance(value, str):
            value = int(value) if re.fullmatch(r"-?\d{1,18}", value.strip()) else None
        row[name] = value
    return row
