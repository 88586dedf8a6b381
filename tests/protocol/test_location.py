from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.location import (
    MAX_PACKAGES,
    ContentLocation,
    ContentLocationReply,
    ContentLocationRequest,
    signature_url,
)

TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30
).map(str.strip)
REAL_REPLY = """<ContentLocationReply SchemaVersion="1.00" ContentFlags="200960" HashAlgorithm="32780"
 AlgorithmPreference="4" Hash="..." ExcludeFileListHash="" RelatedContentID="">
 <ContentInfo PackageFlags="32"><ContentHashValues>
  <Hash Algorithm="32780" HashString="..." HashPreference="4"/></ContentHashValues></ContentInfo>
 <Sites><Site><MPSite SiteCode="PS1" MasterSiteCode="PS1" SiteLocality="LOCAL"
  IISPreferedPort="80" IISSSLPreferedPort="443"/>
  <LocationRecords><LocationRecord>
   <URL Name="http://dp1/SMS_DP_SMSPKG$/Content_guid.1"
    Signature="http://dp1/SMS_DP_SMSSIG$/Content_guid.1.tar"/>
   <ADSite Name="Site1"/><IPSubnets><IPSubnet Address="10.0.0.0"/></IPSubnets>
   <Metric Value=""/><Version>8239</Version>
   <Capabilities SchemaVersion="1.0"><Property Name="SSLState" Value="0"/></Capabilities>
   <ServerRemoteName>dp1.lab.test</ServerRemoteName>
   <DPType>SERVER</DPType><Windows Trust="1"/><Locality>LOCAL</Locality>
  </LocationRecord></LocationRecords></Site></Sites><RelatedContentIDs/></ContentLocationReply>"""
REQUEST = ContentLocationRequest(
    "S0100001", 3, "S01", "Default-First-Site", (("10.0.0.0", "10.0.0.7"), ("10.0.1.0", "10.0.1.7"))
)


@pytest.mark.proves("location.content.current")
def test_a_real_reply() -> None:
    reply = ContentLocationReply.from_xml(REAL_REPLY)
    location = ContentLocation(
        "http://dp1/SMS_DP_SMSPKG$/Content_guid.1",
        server="dp1.lab.test",
        signature="http://dp1/SMS_DP_SMSSIG$/Content_guid.1.tar",
        version="8239",
    )
    assert reply == ContentLocationReply("PS1", (location,))


@pytest.mark.proves("location.content.current")
def test_our_reply_is_shaped_like_the_real_one() -> None:
    real = ContentLocationReply.from_xml(REAL_REPLY)
    ours = replace(
        real,
        ad_site="Site1",
        subnets=("10.0.0.0",),
        current=True,
        content_hash="...",
        package_flags=32,
    )
    parser = etree.XMLParser(remove_blank_text=True)
    assert etree.canonicalize(ours.to_xml()) == etree.canonicalize(
        etree.tostring(etree.fromstring(REAL_REPLY, parser), encoding="unicode")
    )


@pytest.mark.proves("location.content.2007")
def test_our_reply_in_the_form_of_2007() -> None:
    location = ContentLocation(
        "http://dp1/SMS_DP_SMSPKGD$/S0100001",
        "\\\\dp1\\SMSPKGD$\\S0100001",
        signature="http://dp1/SMS_DP_SMSSIG$/S0100001.3.tar",
    )
    root = etree.fromstring(ContentLocationReply("S01", (location,), "Site-A", ("10.1.0.0",)).to_xml())
    assert dict(root.attrib) == {"SchemaVersion": "1.00"}
    assert root.find("Sites/Site/MPSite").attrib == {
        "SiteCode": "S01",
        "MasterSiteCode": "S01",
        "SiteLocality": "LOCAL",
    }
    record = root.find("Sites/Site/LocationRecords/LocationRecord")
    assert [e.tag for e in record][:5] == ["URL", "SMBPath", "ADSite", "IPSubnets", "Metric"]
    assert record.find("URL").attrib == {"Name": location.url, "Signature": location.signature}
    assert record.find("SMBPath").get("Name") == location.smb_path
    assert record.find("IPSubnets/IPSubnet").get("Address") == "10.1.0.0"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://dp1:81/SMS_DP_SMSPKG$/S0100001.3", "http://dp1:81/SMS_DP_SMSSIG$/S0100001.3.tar"),
        ("http://dp1/SMS_DP_SMSPKG$/S0100001/", "http://dp1/SMS_DP_SMSSIG$/S0100001.3.tar"),
    ],
)
def test_where_signatures_are(url: str, expected: str) -> None:
    assert signature_url(url, 3) == expected


@pytest.mark.proves("location.content.2007", "location.content.current")
@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ('<Package ID="S0100001" Version="3"/>', ("S0100001", 3)),
        ('<Package ID="S0100001"/>', ("S0100001", 0)),
        ('<Package ID="S0100001" Version="3" RequestForLatest="1"/>', ("S0100001", 0)),
        ('<ClientPackage RequestForLatest="0" DeploymentFlags="4098"/>', ("", 0)),
        ('<ClientPackage FullPackageID="S0100002" FullPackageVersion="4"/>', ("S0100002", 4)),
        (
            '<ClientPackage RequestForLatest="0" DeploymentFlags="4098" PackageID="S0100001" Version="3"/>',
            ("S0100001", 3),
        ),
        ('<Content ID="S0100001" Version="3"/>', ("S0100001", 3)),
    ],
)
def test_forms_of_the_request(package: str, expected: tuple[str, int]) -> None:
    text = (
        f'<ContentLocationRequest SchemaVersion="1.00" BGRVersion="1"><AssignedSite SiteCode="PS1"/>{package}'
        '<ClientLocationInfo LocationType="SMSPackage" UseProtected="0"><ADSite Name="Site1"/>'
        '<IPAddresses><IPAddress SubnetAddress="10.0.0.0" Address="10.0.0.7"/></IPAddresses>'
        '<Adapters><Adapter Name="Ethern\u00e9t"/></Adapters></ClientLocationInfo></ContentLocationRequest>'
    )
    request = ContentLocationRequest.from_xml(text)
    assert (request.package_id, request.package_version) == expected
    assert (request.site_code, request.ad_site) == ("PS1", "Site1")
    assert request.ip_addresses == (("10.0.0.0", "10.0.0.7"),)


@pytest.mark.proves("location.content.several")
@pytest.mark.parametrize("tag", ["Package", "ClientPackage", "Content"])
def test_several_packages(tag: str) -> None:
    many = "".join(f'<{tag} PackageID="S01{i:05}" Version="{i}"/>' for i in range(1, MAX_PACKAGES + 1))
    request = ContentLocationRequest.from_xml(f"<ContentLocationRequest>{many}</ContentLocationRequest>")
    assert request.packages[:2] == (("S0100001", 1), ("S0100002", 2))
    assert len(request.packages) == MAX_PACKAGES
    assert request.current == (tag != "Package")
    with pytest.raises(MalformedMessage, match="names 101 of at most 100"):
        ContentLocationRequest.from_xml(
            f'<ContentLocationRequest>{many}<{tag} PackageID="S0100000"/></ContentLocationRequest>'
        )


@given(
    st.builds(
        ContentLocationRequest,
        TEXT.filter(bool),
        st.integers(0, 2**31 - 1),
        TEXT,
        TEXT,
        st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
        st.just(True),
        st.lists(st.tuples(TEXT.filter(bool), st.integers(0, 2**31 - 1)), max_size=3).map(tuple),
    )
)
@settings(max_examples=25, deadline=None, database=None)
def test_request_round_trip(request: ContentLocationRequest) -> None:
    assert ContentLocationRequest.from_xml(request.to_xml()) == request
    old = replace(request, current=False)
    assert ContentLocationRequest.from_xml(old.to_xml()) == old


@given(
    TEXT,
    st.lists(st.builds(ContentLocation, TEXT, TEXT, TEXT, TEXT.filter(bool), TEXT), max_size=3).map(tuple),
)
@settings(max_examples=25, deadline=None, database=None)
def test_reply_round_trip(site_code: str, locations: tuple[ContentLocation, ...]) -> None:
    reply = ContentLocationReply(site_code, locations)
    assert ContentLocationReply.from_xml(reply.to_xml()) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Other/>",
        "<ContentLocationRequest/>",
        "<ContentLocationRequest><Package/></ContentLocationRequest>",
        '<ContentLocationRequest><Package ID="x" Version="y"/></ContentLocationRequest>',
        '<ContentLocationRequest><Package ID="x" Version="-1"/></ContentLocationRequest>',
        '<ContentLocationRequest><Package ID="x" Version="99999999999"/></ContentLocationRequest>',
        '<ContentLocationRequest><Package ID="&x;"/></ContentLocationRequest>',
        '<ContentLocationRequest><Package ID="\0"/></ContentLocationRequest>',
    ],
)
def test_malformed_request(text: str) -> None:
    with pytest.raises(MalformedMessage):
        ContentLocationRequest.from_xml(text)


@pytest.mark.parametrize("text", ["", "<Other/>", "<!DOCTYPE x><ContentLocationReply/>", "\ud800"])
def test_malformed_reply(text: str) -> None:
    with pytest.raises(MalformedMessage):
        ContentLocationReply.from_xml(text)


def test_no_location_is_a_legal_answer() -> None:
    assert ContentLocationReply.from_xml("<ContentLocationReply/>") == ContentLocationReply("")


def test_damaged(damaged) -> None:
    for read, good in (
        (ContentLocationReply.from_xml, REAL_REPLY),
        (ContentLocationRequest.from_xml, REQUEST.to_xml()),
    ):
        for data in damaged(good.encode(), 200):
            with contextlib.suppress(MalformedMessage):
                read(data.decode("utf-8", "surrogateescape"))


def test_what_cannot_be_written() -> None:
    with pytest.raises(MalformedMessage):
        ContentLocationRequest("\0", 1, "").to_xml()
    with pytest.raises(MalformedMessage):
        ContentLocationReply("", (ContentLocation("\ud800"),)).to_xml()
