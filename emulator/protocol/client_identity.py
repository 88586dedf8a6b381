"""MP_ClientIdManager: which client a computer is, known by its hardware or its name.

Boot media and public clients ask so before they have an identity. The reply's shape is that of
a real site's log; the boot action is empty, because this site boots nobody over the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.xml import attribute, child, expect_root, new, number, parse_xml, serialize, text_of

_BOOT_ACTION = (
    "LastPXEAdvertisementID", "LastPXEAdvertisementTime", "OfferID", "OfferIDTime", "PkgID",
    "PackageVersion", "PackagePath", "BootImageID", "Mandatory",
)  # fmt: skip
_NOT_HEX = re.compile(r"[^0-9A-F]")


def hardware_id(text: str) -> str:
    """A MAC address or SMBIOS identifier as bare upper-case hex: people type them in many ways."""
    return _NOT_HEX.sub("", text.upper())


@dataclass(frozen=True, slots=True)
class ClientIdRequest:
    """What the asking computer says of itself; any part may be missing."""

    smbios: str = ""
    mac_addresses: tuple[str, ...] = ()
    name: str = ""

    def to_xml(self) -> str:
        root = new("ClientIDRequest")
        machine = child(child(root, "Identification"), "Machine")
        child(machine, "SMBIOS", self.smbios)
        for address in self.mac_addresses:
            child(machine, "MacAddress", address)
        child(machine, "NetbiosName", self.name)
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage: it is none, or says nothing of a computer."""
        root = expect_root(parse_xml(text), "ClientIDRequest")
        said: dict[str, list[str]] = {}
        for element in root.iter():
            if isinstance(element.tag, str):
                value = (element.text or "").strip() or attribute(element, "Value")
                said.setdefault(element.tag.lower(), []).extend([value] if value else [])
        request = cls(
            smbios=next(iter(said.get("smbios", [])), ""),
            # Several in one element come separated.
            mac_addresses=tuple(a for v in said.get("macaddress", []) for a in re.split(r"[,;\s]+", v) if a),
            name=next((v for tag in ("netbiosname", "name") for v in said.get(tag, [])), ""),
        )
        if request == cls():
            raise MalformedMessage("<ClientIDRequest> names neither SMBIOS, MacAddress nor NetbiosName")
        return request


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A computer the site knows."""

    item_key: int
    client_id: str
    netbios_name: str


def client_id_reply(known: KnownClient | None, server_name: str = "") -> str:
    """The reply; an unknown computer is told so."""
    root = new("ClientIDReply")
    identification = child(
        root,
        "Identification",
        Unknown="0" if known else "1",
        ItemKey=str(known.item_key if known else 0),
        ServerName=server_name,
    )
    machine = child(identification, "Machine")
    child(machine, "ClientID", known.client_id if known else "")
    child(machine, "NetbiosName", known.netbios_name if known else "")
    child(root, "PXEBootAction", **dict.fromkeys(_BOOT_ACTION, ""))
    return serialize(root)


def known_client(text: str) -> KnownClient | None:
    """What a reply says; None when the computer is unknown.

    Raises:
        MalformedMessage: it is no such reply.
    """
    root = expect_root(parse_xml(text), "ClientIDReply")
    found: etree._Element | None = root.find("Identification")
    if found is None or attribute(found, "Unknown") == "1":
        return None
    return KnownClient(
        number(attribute(found, "ItemKey", "0"), "ItemKey"),
        text_of(found, "Machine/ClientID"),
        text_of(found, "Machine/NetbiosName"),
    )
