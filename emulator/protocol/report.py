"""The common form of inventory and discovery reports: a header, then instances.

Reports count upwards: 1.0 is the first full one, 2.25 the 25th delta after the second full
one. The server rejects a report out of turn and asks for everything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.names import normalize_smsid
from emulator.protocol.policy_body import cim_datetime, read_cim_datetime
from emulator.protocol.xml import attribute, child, expect_root, new, parse_xml, required, serialize, text_of

INVENTORY_DATA = "Inventory\\x0020Data"
KEY_ATTRIBUTE = "Key"  # ours: which instance of its class this is


@dataclass(frozen=True, slots=True)
class ReportHeader:
    """Who reports what, and as the how-manieth."""

    client_id: str
    client_version: str
    netbios_name: str
    report_content: str
    report_type: str  # Full or Delta
    version: str
    date: datetime
    action_id: str
    action_description: str

    def append_to(self, root: etree._Element) -> None:
        header = child(root, "ReportHeader")
        machine = child(child(header, "Identification"), "Machine")
        for tag, value in (
            ("ClientInstalled", "1"),
            ("ClientType", "1"),
            ("ClientID", self.client_id),
            ("ClientVersion", self.client_version),
            ("NetBIOSName", self.netbios_name),
            ("CodePage", "437"),
            ("SystemDefaultLCID", "1033"),
        ):
            child(machine, tag, value)
        details = child(header, "ReportDetails")
        for tag, value in (
            ("ReportContent", self.report_content),
            ("ReportType", self.report_type),
            ("Date", cim_datetime(self.date)),
            ("Version", self.version),
            ("Format", "1.0"),
        ):
            child(details, tag, value)
        action = child(header, "InventoryAction")
        child(action, "InventoryActionID", self.action_id)
        child(action, "Description", self.action_description)
        child(action, "InventoryActionLastUpdateTime", cim_datetime(self.date))

    @classmethod
    def read_from(cls, root: etree._Element) -> Self:
        """Raises MalformedMessage: the header is missing or wrong."""
        header = root.find("ReportHeader")
        if header is None:
            raise MalformedMessage(f"<{root.tag}> has no <ReportHeader>")
        machine = "Identification/Machine/"
        return cls(
            client_id=normalize_smsid(text_of(header, machine + "ClientID")),
            client_version=text_of(header, machine + "ClientVersion"),
            netbios_name=text_of(header, machine + "NetBIOSName"),
            report_content=text_of(header, "ReportDetails/ReportContent"),
            report_type=text_of(header, "ReportDetails/ReportType", "Full"),
            version=text_of(header, "ReportDetails/Version", "1.0"),
            date=read_cim_datetime(text_of(header, "ReportDetails/Date")),
            action_id=text_of(header, "InventoryAction/InventoryActionID"),
            action_description=text_of(header, "InventoryAction/Description"),
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a class: New, Updated or Deleted."""

    class_name: str
    namespace: str
    content: str
    properties: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    header: ReportHeader
    instances: tuple[Instance, ...] = ()

    def to_xml(self) -> str:
        root = new("Report")
        self.header.append_to(root)
        body = child(root, "ReportBody")
        for instance in self.instances:
            element = child(
                body,
                "Instance",
                ParentClass=instance.class_name,
                Class=instance.class_name,
                Namespace=instance.namespace,
                Content=instance.content,
                **({KEY_ATTRIBUTE: instance.key} if instance.key else {}),
            )
            properties = child(element, instance.class_name)
            for name, value in instance.properties.items():
                child(properties, name, value)
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage."""
        root = expect_root(parse_xml(text), "Report")
        return cls(
            ReportHeader.read_from(root),
            tuple(_instance(element) for element in root.iterfind("ReportBody/Instance")),
        )


def _properties(inner: etree._Element) -> dict[str, str]:
    """Name -> value; an array comes as a repeated element, or as one with an element for each item."""
    found: dict[str, str] = {}
    for element in inner:
        if isinstance(element.tag, str):
            items = [element.text or ""] if len(element) == 0 else [item.text or "" for item in element]
            value = ", ".join(items)
            name = str(element.tag)
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _instance(element: etree._Element) -> Instance:
    name = required(element, "Class")
    content = attribute(element, "Content", "New").capitalize()
    if content not in ("New", "Updated", "Deleted"):
        raise MalformedMessage(f"<Instance>: Content {content!r}; valid: New, Updated, Deleted")
    inner = next((e for e in element if isinstance(e.tag, str)), None)
    properties = {} if inner is None else _properties(inner)
    # A sender without our attribute names an instance by its first property, as WMI keys tend to stand first.
    key = attribute(element, KEY_ATTRIBUTE) or next(iter(properties.values()), "")
    return Instance(name, attribute(element, "Namespace"), content, properties, key)
