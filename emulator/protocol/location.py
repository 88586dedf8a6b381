"""Content location: on which distribution points a package version can be fetched.

Two forms of the same question. The 2007 one names a ``Package`` and is answered with URL, share
and boundaries; the current one (``BGRVersion``, ``LocationType``, ``ClientPackage``) is answered
with hashes and with what each site system is able to do. Each is answered in its own form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.site_security import append_capabilities
from emulator.protocol.xml import (
    attribute,
    child,
    expect_root,
    new,
    number,
    parse_xml,
    required,
    serialize,
    text_of,
)

CALG_SHA_256 = "32780"
HASH_PREFERENCE = "4"
CONTENT_FLAGS = "200960"  # as a real reply has them
LOCAL = "LOCAL"
MAX_PACKAGES = 100  # in one request: each is a question to the site database, and anybody may ask
PACKAGES, SIGNATURES = "SMS_DP_SMSPKG$", "SMS_DP_SMSSIG$"


def signature_url(url: str, version: int) -> str:
    """Where the signatures of a package lie, by where the package lies: ``<package>.<version>.tar``."""
    root, _, folder = url.rstrip("/").rpartition("/")
    name = folder if folder.endswith(f".{version}") else f"{folder}.{version}"
    return f"{root.removesuffix(PACKAGES)}{SIGNATURES}/{name}.tar"


@dataclass(frozen=True, slots=True)
class ContentLocationRequest:
    """A client asks for a package version, or for several; addresses are (subnet, address) pairs."""

    package_id: str  # empty: the client's own installation package, which the site chooses
    package_version: int  # 0: the newest
    site_code: str
    ad_site: str = ""
    ip_addresses: tuple[tuple[str, str], ...] = ()
    current: bool = False  # asked in the form of later releases
    others: tuple[tuple[str, int], ...] = ()  # identity and version of the packages after the first

    @property
    def packages(self) -> tuple[tuple[str, int], ...]:
        """Identity and version of everything that is asked for, in the request's order."""
        return ((self.package_id, self.package_version), *self.others)

    def to_xml(self) -> str:
        root = new("ContentLocationRequest", SchemaVersion="1.00")
        if self.current:
            root.set("BGRVersion", "1")
        if self.package_id:
            for package_id, version in self.packages:
                child(root, "Package", ID=package_id, Version=str(version))
        else:
            child(root, "ClientPackage", RequestForLatest="0", DeploymentFlags="4098")
        child(root, "AssignedSite", SiteCode=self.site_code)
        info = child(root, "ClientLocationInfo")
        child(info, "ADSite", Name=self.ad_site)
        addresses = child(info, "IPAddresses")
        for subnet, address in self.ip_addresses:
            child(addresses, "IPAddress", SubnetAddress=subnet, Address=address)
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Either form.

        Raises:
            MalformedMessage: it is none, or names no package, or more than MAX_PACKAGES.
        """
        root = expect_root(parse_xml(text), "ContentLocationRequest")
        asked, current = _packages(root)
        site = root.find("AssignedSite")
        info = root.find("ClientLocationInfo")
        ad_site = None if info is None else info.find("ADSite")
        return cls(
            package_id=asked[0][0],
            package_version=asked[0][1],
            site_code="" if site is None else attribute(site, "SiteCode"),
            ad_site="" if ad_site is None else attribute(ad_site, "Name"),
            ip_addresses=tuple(
                (attribute(a, "SubnetAddress"), attribute(a, "Address")) for a in root.iter("IPAddress")
            ),
            current=current
            or bool(attribute(root, "BGRVersion"))
            or (info is not None and bool(attribute(info, "LocationType"))),
            others=tuple(asked[1:]),
        )


def _packages(root: etree._Element) -> tuple[list[tuple[str, int]], bool]:
    """Identities and versions of what is asked for, and whether only later releases ask so."""
    for tag in "Package", "ClientPackage", "Content":
        found = list(root.iter(tag))
        if len(found) > MAX_PACKAGES:
            raise MalformedMessage(f"<ContentLocationRequest> names {len(found)} of at most {MAX_PACKAGES}")
        if found:
            return [_package(package) for package in found], tag != "Package"
    raise MalformedMessage("<ContentLocationRequest> names no package")


def _package(package: etree._Element) -> tuple[str, int]:
    named = next((v for name in ("ID", "PackageID", "FullPackageID") if (v := attribute(package, name))), "")
    latest = attribute(package, "RequestForLatest").lower() in ("1", "true")
    version = attribute(package, "Version") or attribute(package, "FullPackageVersion") or "0"
    if package.tag != "ClientPackage" and not named:
        required(package, "ID")
    return named, 0 if latest else number(version, "a package's Version", low=0)


@dataclass(frozen=True, slots=True)
class ContentLocation:
    """One place that holds the content."""

    url: str
    smb_path: str = ""
    server: str = ""  # ServerRemoteName: the full name
    locality: str = LOCAL
    metric: str = ""
    signature: str = ""  # URL of the remote differential compression signatures
    version: str = ""  # of the site system, its build


@dataclass(frozen=True, slots=True)
class ContentLocationReply:
    """The places, best first; none is a legal answer."""

    site_code: str
    locations: tuple[ContentLocation, ...] = ()
    ad_site: str = ""  # by which boundary the places are local
    subnets: tuple[str, ...] = ()
    current: bool = False  # answered in the form of later releases
    content_hash: str = ""  # current form: SHA-256, upper hex
    package_flags: int = 0
    port: int = 80  # of the site's management point
    ssl_port: int = 443
    ssl_state: int = 0

    def to_xml(self) -> str:
        root = new("ContentLocationReply", SchemaVersion="1.00")
        if self.current:
            self._append_content(root)
        site = child(child(root, "Sites"), "Site")
        mp_site = child(
            site, "MPSite", SiteCode=self.site_code, MasterSiteCode=self.site_code, SiteLocality=LOCAL
        )
        if self.current:
            mp_site.set("IISPreferedPort", str(self.port))  # Microsoft's spelling
            mp_site.set("IISSSLPreferedPort", str(self.ssl_port))
        records = child(site, "LocationRecords")
        for location in self.locations:
            self._append_record(records, location)
        if self.current:
            child(root, "RelatedContentIDs")
        return serialize(root)

    def _append_content(self, root: etree._Element) -> None:
        values = {
            "ContentFlags": CONTENT_FLAGS,
            "HashAlgorithm": CALG_SHA_256,
            "AlgorithmPreference": HASH_PREFERENCE,
            "Hash": self.content_hash,
            "ExcludeFileListHash": "",
            "RelatedContentID": "",
        }
        for name, value in values.items():
            root.set(name, value)
        hashes = child(child(root, "ContentInfo", PackageFlags=str(self.package_flags)), "ContentHashValues")
        if self.content_hash:
            child(
                hashes,
                "Hash",
                Algorithm=CALG_SHA_256,
                HashString=self.content_hash,
                HashPreference=HASH_PREFERENCE,
            )

    def _append_record(self, records: etree._Element, location: ContentLocation) -> None:
        record = child(records, "LocationRecord")
        signature = {"Signature": location.signature} if location.signature else {}
        child(record, "URL", Name=location.url, **signature)
        if location.smb_path:
            child(record, "SMBPath", Name=location.smb_path)
        child(record, "ADSite", Name=self.ad_site)
        subnets = child(record, "IPSubnets")
        for subnet in self.subnets:
            child(subnets, "IPSubnet", Address=subnet)
        child(record, "Metric", Value=location.metric)
        if self.current:
            child(record, "Version", location.version)
            append_capabilities(record, self.ssl_state)
        child(record, "ServerRemoteName", location.server)
        if self.current:
            child(record, "DPType", "SERVER")
            child(record, "Windows", Trust="1")
        child(record, "Locality", location.locality)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """What a client needs of either form.

        Raises:
            MalformedMessage
        """
        root = expect_root(parse_xml(text), "ContentLocationReply")
        site = root.find("Sites/Site/MPSite")
        locations = [
            _location(record) for record in root.iterfind("Sites/Site/LocationRecords/LocationRecord")
        ]
        return cls("" if site is None else attribute(site, "SiteCode"), tuple(locations))


def _location(record: etree._Element) -> ContentLocation:
    url, smb, metric = record.find("URL"), record.find("SMBPath"), record.find("Metric")
    return ContentLocation(
        url="" if url is None else attribute(url, "Name"),
        smb_path="" if smb is None else attribute(smb, "Name"),
        server=text_of(record, "ServerRemoteName"),
        locality=text_of(record, "Locality", LOCAL),
        metric="" if metric is None else attribute(metric, "Value"),
        signature="" if url is None else attribute(url, "Signature"),
        version=text_of(record, "Version"),
    )
