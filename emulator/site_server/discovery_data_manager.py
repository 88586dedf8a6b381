"""Discovery Data Manager (ddm): heartbeats become resources, or bring them up to date.

Bad records go to BAD_DDRS, where the product deletes them once they are 25 hours old.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.errors import MalformedMessage
from emulator.protocol.discovery import discovered
from emulator.protocol.report import Report, ReportHeader
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import directory, inventory, resources
from emulator.site_database.database import Session
from emulator.site_database.directory import DirectoryData
from emulator.site_database.resources import DiscoveryData
from emulator.site_server.inbox_component import InboxComponent, Rejection, require_own
from emulator.spool import SpoolEntry

BAD_DDRS_AGE = 25 * 3600.0  # site seconds


@dataclass(frozen=True, slots=True)
class DiscoveryRecord:
    """One heartbeat: its header, and what it says of the computer."""

    header: ReportHeader
    data: DiscoveryData
    directory: DirectoryData


class DiscoveryDataManager(InboxComponent[DiscoveryRecord]):
    """Merges discovery data into System_DISC."""

    kind = ReportKind.DISCOVERY
    log_name = "ddm"
    bad_folder = "BAD_DDRS"
    unknown_folder = "BAD_DDRS"

    def understand(self, file: ReportFile) -> DiscoveryRecord:
        report = Report.from_xml(file.payload)
        require_own(file, report.header)
        return DiscoveryRecord(report.header, discovery_data(report), directory_data(report))

    async def store(
        self, session: Session, file: ReportFile, content: DiscoveryRecord, receipt: int
    ) -> Rejection | None:
        machine_id, news = await resources.merge_discovery(session, content.data)
        if news:
            await directory.store(session, machine_id, content.directory)
        else:
            self.log.info("older than what is known", sender=file.sender, date=str(content.data.time))
        now = self.role.clock.now()
        await inventory.log(session, receipt, machine_id, "Discovery", content.header, now)
        return None

    async def wait(self) -> None:
        """Return when there is something to load; delete bad records at their time meanwhile."""
        while await self.role.clock.wait_until(self.forget_old(), self.spool.arrived):
            pass

    def quarantine(self, entry: SpoolEntry, subfolder: str, reason: str) -> None:
        super().quarantine(entry, subfolder, reason)
        # The time of change of what lies there is site time: no speed or jump of the clock spoils it.
        now = self.role.clock.time()
        for path in (self.spool.folder / subfolder).glob(f"{entry.path.name}*"):
            os.utime(path, (now, now))

    def forget_old(self) -> float | None:
        """Delete the bad records that are old enough; returns when the next one will be."""
        due: list[float] = []
        for path in sorted((self.spool.folder / self.bad_folder).glob("*")):
            forget = path.stat().st_mtime + BAD_DDRS_AGE
            if forget > self.role.clock.time():
                due.append(forget)
                continue
            self.log.info("deleted: 25 hours old", file=path.name)
            path.unlink(missing_ok=True)
        return min(due, default=None)


def discovery_data(report: Report) -> DiscoveryData:
    """The resource that a discovery record describes.

    Raises:
        MalformedMessage: it does not name the computer.
    """
    header, told = report.header, discovered(report)
    netbios_name = _text(told, "NetbiosName") or header.netbios_name
    if not netbios_name:
        raise MalformedMessage("the discovery record does not name the computer")
    return DiscoveryData(
        smsid=header.client_id,
        name=_text(told, "Name") or netbios_name,
        netbios_name=netbios_name,
        domain=_text(told, "ResourceDomainORWorkgroup"),
        client_version=header.client_version or _text(told, "ClientVersion"),
        ad_site=_text(told, "ADSiteName"),
        user=_text(told, "LastLogonUserName"),
        operating_system=_text(told, "OperatingSystemNameandVersion"),
        ip_addresses=_items(told, "IPAddresses"),
        ip_subnets=_items(told, "IPSubnets"),
        mac_addresses=_items(told, "MACAddresses"),
        smbios=_text(told, "SMBIOSGUID"),
        resource_names=_items(told, "ResourceNames"),
        assigned_sites=_items(told, "SMSAssignedSites"),
        time=header.date,
    )


def directory_data(report: Report) -> DirectoryData:
    """The computer's place in its Windows domain, as far as the record tells it."""
    told = discovered(report)
    group = _text(told, "PrimaryGroupID") or ""
    return DirectoryData(
        installed_sites=_items(told, "SMSInstalledSites"),
        user_domain=_text(told, "LastLogonUserDomain"),
        full_domain_name=_text(told, "FullDomainName"),
        distinguished_name=_text(told, "DistinguishedName"),
        primary_group_id=int(group) if group.isdecimal() and len(group) < 10 else None,
        sid=_text(told, "SID"),
    )


def _text(told: Mapping[str, str | list[str]], name: str) -> str | None:
    value = told.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _items(told: Mapping[str, str | list[str]], name: str) -> tuple[str, ...]:
    value = told.get(name)
    return tuple(value) if isinstance(value, list) else ()
