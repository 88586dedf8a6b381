"""Where a site and its management points are: the other questions MP_LocationManager answers.

The 2007 library documents the local management point (LocalMPLocationRequest); the others are
named by the messaging SDK, or seen from public clients. A site has no secondary sites and no
software update point, so some lists are legally empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from emulator.protocol.site_security import append_capabilities
from emulator.protocol.xml import attribute, child, new, parse_xml, serialize


@dataclass(frozen=True, slots=True)
class SitePlace:
    """The site as location replies name it."""

    site_code: str
    version: str
    build_number: int
    ssl_state: int = 0


@dataclass(frozen=True, slots=True)
class ManagementPointPlace:
    """One management point."""

    name: str
    fqdn: str
    url: str
    port: int
    ssl_port: int = 443


def management_points_reply(
    root_name: str, site: SitePlace, places: Iterable[ManagementPointPlace], schema: str = "1.00"
) -> str:
    """``Sites/Site`` with its management points: local, assigned, or all of them."""
    root = new(root_name, SchemaVersion=schema)
    listed = list(places)
    records = child(_append_site(root, site, listed), "LocationRecords")
    for place in listed:
        record = child(records, "LocationRecord")
        child(record, "MP", Name=place.name, FQDN=place.fqdn)
        child(record, "URL", Name=place.url)
        child(record, "Version", str(site.build_number))
        append_capabilities(record, site.ssl_state)
        child(record, "ServerRemoteName", place.fqdn)
        child(record, "Locality", "LOCAL")
    return serialize(root)


def _append_site(root: etree._Element, site: SitePlace, places: list[ManagementPointPlace]) -> etree._Element:
    element = child(child(root, "Sites"), "Site")
    ports = (
        {"IISPreferedPort": str(places[0].port), "IISSSLPreferedPort": str(places[0].ssl_port)}
        if places
        else {}
    )
    codes = {"SiteCode": site.site_code, "MasterSiteCode": site.site_code, "SiteLocality": "LOCAL"}
    child(element, "MPSite", **codes, **ports)
    return element


def assigned_site_reply(site: SitePlace) -> str:
    """Which site a computer belongs to: the only one there is."""
    root = new("AssignedSiteReply", SchemaVersion="1.00")
    child(root, "AssignedSite", SiteCode=site.site_code)
    child(root, "Site", SiteCode=site.site_code, Version=site.version, BuildNumber=str(site.build_number))
    return serialize(root)


def site_information_reply(site: SitePlace | None) -> str:
    """A site's version and build; nothing of a site that is not ours."""
    root = new("SiteInformationReply", SchemaVersion="1.00")
    if site:
        child(
            root,
            "Site",
            SiteCode=site.site_code,
            Version=site.version,
            BuildNumber=str(site.build_number),
        )
    return serialize(root)


def asked_site(text: str) -> str:
    """The site code of a SiteInformationRequest; empty when it names none.

    Raises:
        MalformedMessage: it is no XML.
    """
    element = parse_xml(text).find("SiteCode")
    return "" if element is None else (attribute(element, "Name") or (element.text or "")).strip().upper()


def asked_kind(text: str) -> str:
    """Which management points an EnumerateMPLocationRequest wants: Assigned, Proxy, Local or Internet.

    The request's shape is not published: the kind may be an attribute or an element of these names.

    Raises:
        MalformedMessage: it is no XML.
    """
    root = parse_xml(text)
    for name in ("LocationType", "MPType", "Type"):
        value = attribute(root, name) or (root.findtext(f".//{name}") or "").strip()
        if value:
            return value.capitalize()
    return "Assigned"


def wsus_location_reply(site: SitePlace) -> str:
    """Software update points of the site: it has none, and an empty list says so."""
    root = new("WSUSLocationReply", SchemaVersion="1.00")
    child(_append_site(root, site, []), "LocationRecords")
    return serialize(root)


def update_sf_reply() -> str:
    """The reply to UpdateSFRequest, empty for the same reason."""
    return serialize(new("UpdateSFReply", SchemaVersion="1.00"))


def upload_reply(host: str, url: str) -> str:
    """Where a large message may be uploaded in pieces (BITS)."""
    root = new("BitsUploadReply", SchemaVersion="1.00")
    child(root, "Host", host)
    child(root, "URL", url)
    return serialize(root)
