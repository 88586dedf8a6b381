"""Heartbeat discovery: a report (DDR) whose properties are those of ``SMS_R_System``."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.errors import MalformedMessage
from emulator.protocol.report import Instance, Report, ReportHeader

DISCOVERY_CLASS = "SMS_R_System"
NAMESPACE = "\\\\.\\root\\ccm"
LIST_PROPERTIES = frozenset(
    {"IPAddresses", "IPSubnets", "MACAddresses", "ResourceNames", "SMSAssignedSites", "SMSInstalledSites"}
)


# What other classes of a DDR say of the computer. Their other properties are about something else:
# the name of a product is no computer's name.
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "CCM_ComputerSystem": {"Domain": "ResourceDomainORWorkgroup", "UserName": "LastLogonUserName"},
    "CCM_Client": {"ClientVersion": "ClientVersion"},
    "CCM_ADSiteInfo": {"ADSiteName": "ADSiteName"},
    "ADSiteInfo": {"ADSiteName": "ADSiteName"},
    "CCM_DiscoveryData": {"PlatformID": "OperatingSystemNameandVersion"},
    "CCM_ExtNetworkAdapterConfiguration": {"FQDN": "ResourceNames"},
    "SMS_Authority": {"Name": "SMSAssignedSites"},
    "Win32_ComputerSystemProduct": {"UUID": "SMBIOSGUID"},
    "Win32_NetworkAdapterConfiguration": {
        "IPAddress": "IPAddresses",
        "IPSubnet": "IPSubnets",
        "MACAddress": "MACAddresses",
    },
}
_AUTHORITY = "SMS:"  # before the site code in the name of an authority


def heartbeat(header: ReportHeader, properties: Mapping[str, str]) -> Report:
    """A DDR of one machine; properties that are lists hold their items separated by commas."""
    return Report(header, (Instance(DISCOVERY_CLASS, NAMESPACE, "New", properties, header.client_id),))


def discovered(report: Report) -> dict[str, str | list[str]]:
    """The properties of the machine; lists as lists. Other classes of a DDR add theirs.

    Raises:
        MalformedMessage: the report carries no instance at all.
    """
    if not report.instances:
        raise MalformedMessage("the discovery report is empty")
    found: dict[str, str | list[str]] = {}
    for instance in report.instances:
        meanings = _MEANINGS.get(instance.class_name)
        for property_name, value in instance.properties.items():
            name = property_name if meanings is None else meanings.get(property_name)
            if name is None:
                continue
            if name in LIST_PROPERTIES:
                items = [item.strip().removeprefix(_AUTHORITY) for item in value.split(",")]
                earlier = found.get(name)
                known = earlier if isinstance(earlier, list) else []
                found[name] = known + [item for item in items if item and item not in known]
            else:
                found[name] = value
    return found
