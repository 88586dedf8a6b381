"""What ``.sms_aut`` answers: the management points of the site, and certificates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.xml import attribute, child, expect_root, new, number, parse_xml, serialize, text_of


@dataclass(frozen=True, slots=True)
class MPListEntry:
    """One management point of the site."""

    name: str
    fqdn: str
    version: str = "6487"
    ssl_state: int = 0  # SSL_STATE_NATIVE where clients must speak TLS


SSL_STATE_NATIVE = 63


def mp_list(entries: Iterable[MPListEntry], site_code: str = "") -> str:
    """The reply to MPLIST; to MPLIST1, which names the site, with the site's code at each."""
    root = new("MPList")
    for entry in entries:
        site = {"SiteCode": site_code} if site_code else {}
        element = child(root, "MP", Name=entry.name.upper(), FQDN=entry.fqdn, **site)
        child(element, "Version", entry.version)
        append_capabilities(element, entry.ssl_state)
    return serialize(root)


def append_capabilities(element: etree._Element, ssl_state: int) -> None:
    """What a site system can do, as the product puts it beside each one."""
    capabilities = child(element, "Capabilities", SchemaVersion="1.0")
    child(capabilities, "Property", Name="SSLState", Value=str(ssl_state))


def parse_mp_list(data: bytes | str) -> list[MPListEntry]:
    """Raises MalformedMessage."""
    root = expect_root(parse_xml(data), "MPList")
    return [
        MPListEntry(attribute(mp, "Name"), attribute(mp, "FQDN"), text_of(mp, "Version"), _ssl_state(mp))
        for mp in root.iterfind("MP")
    ]


def _ssl_state(mp: etree._Element) -> int:
    for found in mp.iterfind("Capabilities/Property"):
        if attribute(found, "Name") == "SSLState":
            return number(attribute(found, "Value", "0"), "SSLState")
    return 0


def mpcert(certificate: bytes) -> str:
    """The reply to MPCERT: the certificate as hex (element names are our choice)."""
    root = new("MPCertificate")
    child(root, "Signing", certificate.hex().upper(), Encoding="HexBinary")
    child(root, "Encryption", certificate.hex().upper(), Encoding="HexBinary")
    return serialize(root)


def parse_mpcert(data: bytes | str) -> bytes:
    """The certificate (DER) that messages are sealed for, of a reply to MPCERT.

    Raises:
        MalformedMessage: it is none.
    """
    text = text_of(expect_root(parse_xml(data), "MPCertificate"), "Encryption")
    try:
        return bytes.fromhex(text)
    except ValueError as exc:
        raise MalformedMessage("<Encryption> is not hexadecimal") from exc


def sitesigncert(certificate: bytes, signature: str) -> str:
    """The reply to SITESIGNCERT."""
    root = new("X509Data")
    child(root, "X509Certificate", certificate.hex().upper(), EncodingType="hexBinary", Signature=signature)
    return serialize(root)
