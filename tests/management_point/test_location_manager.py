"""Where content is, as the database says now."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from emulator.protocol.location import ContentLocationReply, ContentLocationRequest
from emulator.protocol.names import nal_path

REQUEST = ContentLocationRequest("S0100001", 1, "S01").to_xml()


async def install(
    lab: Any, computer: str, status: int = 3, version: int = 1, package: str = "S0100001"
) -> None:
    """A package on a distribution point."""
    db = lab.database
    await db.run(
        "INSERT INTO SMSPackages (PkgID, Name, SourceSite, SourceDate) VALUES ($1, 'x', 'S01', now())"
        " ON CONFLICT DO NOTHING",
        package,
    )
    nal = nal_path(computer, "S01")
    await db.run("INSERT INTO PkgServers (PkgID, NALPath, SiteCode) VALUES ($1, $2, 'S01')", package, nal)
    await db.run(
        "INSERT INTO SysResList (NALPath, RoleName, ServerName, ServerRemoteName, SiteCode)"
        " VALUES ($1, 'SMS Distribution Point', $2, $2, 'S01') ON CONFLICT DO NOTHING",
        nal,
        computer,
    )
    await db.run(
        "INSERT INTO PkgStatus (ID, PkgServer, SiteCode, Status, SourceVersion, HTTPUrl, UpdateTime)"
        " VALUES ($1, $2, 'S01', $3, $4, $5, now())",
        package,
        nal,
        status,
        version,
        f"http://{computer.lower()}:8080/SMS_DP_SMSPKG$/{package}.1",
    )


async def locations(client: Any, request: str = REQUEST) -> list[str]:
    reply = await client.post("MP_LocationManager", request)
    assert reply.status == 200, reply.body
    return sorted(location.url for location in ContentLocationReply.from_xml(reply.text).locations)


async def test_every_distribution_point_that_holds_the_version(lab: Any, client: Any) -> None:
    await install(lab, "DP1")
    await install(lab, "DP2")
    await install(lab, "DP3", status=4)  # being retried
    await install(lab, "DP4", version=2)  # another version
    assert await locations(client) == [
        "http://dp1:8080/SMS_DP_SMSPKG$/S0100001.1",
        "http://dp2:8080/SMS_DP_SMSPKG$/S0100001.1",
    ]


CURRENT = (
    '<ContentLocationRequest SchemaVersion="1.00" BGRVersion="1"><AssignedSite SiteCode="S01"/>{package}'
    '<ClientLocationInfo LocationType="SMSPackage" DistributeOnDemand="0" UseProtected="0" AllowCaching="0"'
    ' BranchDPFlags="0" AllowHTTP="1" AllowSMB="0" AllowMulticast="0" UseAzure="1" DPTokenAuth="1"'
    ' UseInternetDP="0"><ADSite Name="Site1"/><Forest Name="lab.test"/><Domain Name="lab.test"/>'
    '<IPAddresses><IPAddress SubnetAddress="10.0.0.0" Address="10.0.0.7"/></IPAddresses>'
    '<Adapters><Adapter Name="Conexi\u00f3n" IfType="6" PhysicalAddressExists="1" DnsSuffix=""/></Adapters>'
    "</ClientLocationInfo></ContentLocationRequest>"
)


@pytest.mark.proves("location.content.current")
async def test_the_current_form(lab: Any, stranger: Any) -> None:
    await install(lab, "DP1")
    await lab.database.run("UPDATE SMSPackages SET StoredPkgVersion = 1, PkgSourceHash = 'SHA256:AB'")
    request = CURRENT.format(package='<Package ID="S0100001" Version="1"/>')
    reply = await stranger.post("MP_LocationManager", request, signed=False, source_id="")
    root = etree.fromstring(reply.text)
    assert (root.get("HashAlgorithm"), root.get("Hash")) == ("32780", "AB")
    hashes = root.find("ContentInfo/ContentHashValues/Hash")
    assert dict(hashes.attrib) == {"Algorithm": "32780", "HashString": "AB", "HashPreference": "4"}
    site = root.find("Sites/Site/MPSite")
    assert site.get("IISPreferedPort") == str(lab.settings.role.port)
    record = root.find("Sites/Site/LocationRecords/LocationRecord")
    assert record.find("URL").get("Name") == "http://dp1:8080/SMS_DP_SMSPKG$/S0100001.1"
    assert record.find("URL").get("Signature") == "http://dp1:8080/SMS_DP_SMSSIG$/S0100001.1.tar"
    assert record.find("ADSite").get("Name") == "Site1"
    assert record.find("SMBPath") is None
    assert (record.findtext("Version"), record.findtext("DPType")) == ("6487", "SERVER")
    assert (record.findtext("ServerRemoteName"), record.findtext("Locality")) == ("DP1", "LOCAL")
    assert record.find("Capabilities/Property").attrib == {"Name": "SSLState", "Value": "0"}


@pytest.mark.proves("location.content.client_package")
async def test_the_clients_own_package(lab: Any, stranger: Any) -> None:
    await install(lab, "DP1")
    await lab.database.run("UPDATE SysResList SET Url = 'http://dp1:8080'")
    request = CURRENT.format(package='<ClientPackage RequestForLatest="0" DeploymentFlags="4098"/>')
    reply = await stranger.post("MP_LocationManager", request, signed=False, source_id="")
    root = etree.fromstring(reply.text)
    assert [e.text for e in root.iter("ServerRemoteName")] == ["DP1"]
    assert [e.get("Name") for e in root.iter("URL")] == ["http://dp1:8080/SMS_DP_SMSPKG$"]


@pytest.mark.proves("location.content.2007")
async def test_the_form_of_2007(lab: Any, client: Any) -> None:
    await install(lab, "DP1")
    request = (
        '<ContentLocationRequest SchemaVersion="1.00"><Package ID="S0100001" Version="1"/>'
        '<AssignedSite SiteCode="S01"/><ClientLocationInfo><ADSite Name="Site-A"/><IPAddresses>'
        '<IPAddress SubnetAddress="10.1.0.0" Address="10.1.0.7"/></IPAddresses></ClientLocationInfo>'
        "</ContentLocationRequest>"
    )
    record = etree.fromstring((await client.post("MP_LocationManager", request)).text).find(
        ".//LocationRecord"
    )
    assert record.find("SMBPath").get("Name") == "\\\\DP1\\SMSPKGD$\\S0100001"
    assert record.find("URL").get("Signature") == "http://dp1:8080/SMS_DP_SMSSIG$/S0100001.1.tar"
    assert [s.get("Address") for s in record.iterfind("IPSubnets/IPSubnet")] == ["10.1.0.0"]
    assert record.find("Metric").get("Value") == ""


@pytest.mark.proves("location.content.several")
@pytest.mark.parametrize("form", ["2007", "current"])
async def test_several_packages_are_all_answered(lab: Any, client: Any, form: str) -> None:
    for computer, package in ("DP1", "S0100001"), ("DP2", "S0100001"), ("DP1", "S0100003"):
        await install(lab, computer, package=package)
    await lab.database.run("UPDATE SMSPackages SET StoredPkgVersion = 1, PkgSourceHash = 'SHA256:AB'")
    asked = "".join(f'<Package ID="S010000{n}" Version="1"/>' for n in (3, 2, 1))
    request = CURRENT.format(package=asked)
    if form == "2007":
        request = f"<ContentLocationRequest>{asked}</ContentLocationRequest>"
    root = etree.fromstring((await client.post("MP_LocationManager", request)).text)
    assert [url.get("Name") for url in root.iter("URL")] == [
        "http://dp1:8080/SMS_DP_SMSPKG$/S0100003.1",
        "http://dp1:8080/SMS_DP_SMSPKG$/S0100001.1",
        "http://dp2:8080/SMS_DP_SMSPKG$/S0100001.1",
    ]
    if form == "current":  # one hash for several contents would be a wrong one
        assert (root.get("Hash"), list(root.iter("Hash"))) == ("", [])
        return
    shares = [share.get("Name")[-8:] for share in root.iter("SMBPath")]
    assert shares == ["S0100003", "S0100001", "S0100001"]


async def test_nowhere_is_an_answer(client: Any) -> None:
    assert await locations(client) == []


async def test_no_location_is_remembered(lab: Any, client: Any) -> None:
    await install(lab, "DP1")
    assert len(await locations(client)) == 1
    await lab.database.away()
    reply = await client.post("MP_LocationManager", REQUEST)
    assert (reply.status, b"site database" in reply.body) == (500, True)
    await lab.database.back()
    assert len(await locations(client)) == 1


async def test_nobody_needs_to_be_registered(stranger: Any) -> None:
    reply = await stranger.post("MP_LocationManager", REQUEST, signed=False, source_id="")
    assert reply.status == 200


@pytest.mark.proves("location.site_information")
async def test_site_information(client: Any) -> None:
    request = '<SiteInformationRequest SchemaVersion="1.00"><SiteCode Name="S01"/></SiteInformationRequest>'
    root = etree.fromstring((await client.post("MP_LocationManager", request)).text)
    assert dict(root.find(".//Site").attrib) == {
        "SiteCode": "S01",
        "Version": "4.00.6487.0000",
        "BuildNumber": "6487",
    }


@pytest.mark.proves("location.site_information")
async def test_another_site_is_not_known(client: Any) -> None:
    request = '<SiteInformationRequest SchemaVersion="1.00"><SiteCode Name="PS1"/></SiteInformationRequest>'
    assert len(etree.fromstring((await client.post("MP_LocationManager", request)).text)) == 0


@pytest.mark.proves("location.local_mp", "location.enumerate_mp", "location.mp_list")
@pytest.mark.parametrize(
    ("request_xml", "found"),
    [
        ("<LocalMPLocationRequest/>", True),
        ("<LocationMPLocationRequest/>", True),
        ("<EnumerateMPLocationRequest/>", True),
        ('<EnumerateMPLocationRequest LocationType="local"/>', True),
        ("<EnumerateMPLocationRequest><MPType>Proxy</MPType></EnumerateMPLocationRequest>", False),
        ('<EnumerateMPLocationRequest Type="INTERNET"/>', False),
        ("<MPListRequest/>", True),
    ],
)
async def test_which_management_points(lab: Any, client: Any, request_xml: str, found: bool) -> None:
    root = etree.fromstring((await client.post("MP_LocationManager", request_xml)).text)
    assert root.tag.endswith("Reply")
    assert root.find("Sites/Site/MPSite").get("SiteCode") == "S01"
    records = root.findall(".//LocationRecord")
    assert [r.find("MP").get("FQDN") for r in records] == (["mp1.lab.test"] if found else [])
    assert [r.find("URL").get("Name") for r in records] == ([lab.settings.role.url] if found else [])


@pytest.mark.proves("location.assigned_site", "location.wsus", "location.update_sf", "location.upload")
@pytest.mark.parametrize(
    ("request_xml", "tag"),
    [
        ("<AssignedSiteRequest><ADSite/></AssignedSiteRequest>", "AssignedSiteReply"),
        (
            '<WSUSLocationRequest SchemaVersion="1.00"><Content ID="{guid}" Version="1"/>'
            '<AssignedSite SiteCode="S01"/><ClientLocationInfo OnInternet="0"/></WSUSLocationRequest>',
            "WSUSLocationReply",
        ),
        ("<UpdateSFRequest/>", "UpdateSFReply"),
        ("<UploadRequest/>", "BitsUploadReply"),
    ],
)
async def test_the_other_questions(lab: Any, client: Any, request_xml: str, tag: str) -> None:
    root = etree.fromstring((await client.post("MP_LocationManager", request_xml)).text)
    assert root.tag == tag
    match tag:
        case "AssignedSiteReply":
            assert root.find("AssignedSite").get("SiteCode") == "S01"
        case "WSUSLocationReply":
            assert root.find("Sites/Site/MPSite").get("SiteCode") == "S01"
            assert len(root.find("Sites/Site/LocationRecords")) == 0
        case "BitsUploadReply":
            assert root.findtext("Host") == "mp1.lab.test"
            assert root.findtext("URL").startswith(f"{lab.settings.role.url}/CCM_Incoming/{{")


@pytest.mark.proves("location.local_mp")
async def test_management_points(lab: Any, client: Any) -> None:
    reply = await client.post("MP_LocationManager", "<LocalMPLocationRequest/>")
    root = etree.fromstring(reply.text)
    assert root.find(".//LocationRecord/URL").get("Name") == lab.settings.role.url


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<Other/>",
        "<ContentLocationRequest/>",
        '<ContentLocationRequest><Package ID="x" Version="y"/></ContentLocationRequest>',
    ],
)
async def test_no_location_request(client: Any, body: str) -> None:
    assert (await client.post("MP_LocationManager", body)).status == 400
