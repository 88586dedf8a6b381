"""Administration over HTTP with a real database: what is written, read, and refused in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from emulator.errors import InvalidObject, ObjectConflict
from emulator.site_database import provider
from emulator.site_server.provider_address import Address
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, add_system, dp_nal, until


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("SMS_Package", Address("SMS_Package")),
        ("SMS_Package('S0100001')", Address("SMS_Package", [(None, "S0100001")])),
        ("SMS_R_System(16777219)", Address("SMS_R_System", [(None, "16777219")])),
        ("SMS_Collection/S0100010", Address("SMS_Collection", [(None, "S0100010")])),
        (
            "SMS_Collection/S0100010/AdminService.RequestRefresh",
            Address("SMS_Collection", [(None, "S0100010")], "RequestRefresh"),
        ),
        (
            "SMS_Program(PackageID='S0100001',ProgramName='it''s (a), b/c')",
            Address("SMS_Program", [("PackageID", "S0100001"), ("ProgramName", "it's (a), b/c")]),
        ),
        (
            "SMS_Package('S0100001')/AdminService.RefreshPkgSource",
            Address("SMS_Package", [(None, "S0100001")], "RefreshPkgSource"),
        ),
    ],
)
def test_address(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "SMS_Package(", "SMS_Package('a", "SMS_Package(a b)", "SMS_Package('a')/x/y", "$metadata"]
)
def test_address_refused(text: str) -> None:
    with pytest.raises(InvalidObject):
        Address.parse(text)


async def test_a_stranger_is_refused(site_server: SiteServer) -> None:
    url = f"{site_server.settings.role.url}/AdminService/wmi/SMS_Site"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "NotAuthorized"


@pytest.mark.proves("adminservice.package")
async def test_package_life(administrator: Administrator, source_folder: Path) -> None:
    made = await administrator.new("SMS_Package", Name="7-Zip", PkgSourcePath=str(source_folder))
    assert made["PackageID"] == "S0100001"
    assert made["PkgSourceFlag"] == 2
    assert made["SourceVersion"] == 1

    # A key is found without regard to case, classes too.
    status, read = await administrator.ask("GET", "sms_package('s0100001')")
    assert (status, read["value"][0]["Name"]) == (200, "7-Zip")

    status, changed = await administrator.ask("PATCH", "SMS_Package('S0100001')", {"Version": "19"})
    assert (status, changed["Version"], changed["SourceVersion"]) == (200, "19", 1)
    status, changed = await administrator.ask("PATCH", "SMS_Package('S0100001')", {"PkgSourcePath": "/other"})
    assert (status, changed["SourceVersion"]) == (200, 2)
    status, _ = await administrator.ask("POST", "SMS_Package('S0100001')/AdminService.RefreshPkgSource", {})
    assert status == 201
    assert (await administrator.one("SMS_Package('S0100001')"))["SourceVersion"] == 3

    assert await administrator.ask("DELETE", "SMS_Package('S0100001')") == (204, "")
    status, refused = await administrator.ask("GET", "SMS_Package('S0100001')")
    assert status == 404
    assert refused["error"]["code"] == "ObjectNotFound"


async def offer(administrator: Administrator, **more: Any) -> dict[str, Any]:
    """A package without source files, its program, and an advertisement to everybody."""
    package = await administrator.new("SMS_Package", Name="Script")
    program = {"PackageID": package["PackageID"], "ProgramName": "Run"}
    await administrator.new("SMS_Program", **program, CommandLine="cmd /c exit")
    return await administrator.new(
        "SMS_Advertisement", AdvertisementName="a", **program, CollectionID="SMS00001", **more
    )


@pytest.mark.proves("adminservice.package")
async def test_advertisement_life(administrator: Administrator) -> None:
    made = await offer(
        administrator,
        AssignedSchedule=[{"StartTime": "2026-01-01T00:10:00Z", "HourSpan": 1}],
        ExpirationTime="2030-01-01T00:00:00+01:00",
    )
    assert made["AssignedSchedule"] == "01C16DCA0000003C"
    assert made["AssignedScheduleEnabled"] is True
    assert made["ExpirationTime"] == "2029-12-31T23:00:00Z"
    assert made["ExpirationTimeEnabled"] is True
    assert made["RemoteClientFlags"] == 48

    key = f"SMS_Advertisement('{made['AdvertisementID']}')"
    status, changed = await administrator.ask("PATCH", key, {"AdvertFlags": 32, "ExpirationTime": None,
                                                             "ExpirationTimeEnabled": False})  # fmt: skip
    assert (status, changed["AdvertFlags"], changed["ExpirationTime"]) == (200, 32, None)
    assert changed["AssignedSchedule"] == made["AssignedSchedule"]

    # What an advertisement needs cannot go before it.
    for needed in ("SMS_Package('S0100001')", "SMS_Program(PackageID='S0100001',ProgramName='Run')"):
        status, refused = await administrator.ask("DELETE", needed)
        assert status == 409
        assert made["AdvertisementID"] in refused["error"]["message"]
    assert (await administrator.ask("DELETE", key))[0] == 204
    assert (await administrator.ask("DELETE", "SMS_Package('S0100001')"))[0] == 204
    assert await administrator.all("SMS_Program") == []


async def test_distribution_point_objects(administrator: Administrator, source_folder: Path) -> None:
    package = await administrator.new("SMS_Package", Name="7-Zip", PkgSourcePath=str(source_folder))
    points = await administrator.all(
        "SMS_SystemResourceList", filter="RoleName eq 'SMS Distribution Point'", orderby="ServerName"
    )
    assert [point["ServerName"] for point in points] == ["DP1", "DP2"]
    assert points[0]["NALPath"] == dp_nal(1)
    wanted = {"PackageID": package["PackageID"], "ServerNALPath": points[0]["NALPath"]}
    await administrator.new("SMS_DistributionPoint", **wanted)
    status, refused = await administrator.ask("POST", "SMS_DistributionPoint", wanted)
    assert (status, refused["error"]["code"]) == (409, "ObjectConflict")
    key = quote(f"(PackageID='S0100001',ServerNALPath='{dp_nal(1)}')", safe="")
    assert (await administrator.one(f"SMS_DistributionPoint{key}"))["ServerNALPath"] == dp_nal(1)


async def test_collection_rules(administrator: Administrator, site_server: SiteServer) -> None:
    resource = await add_system(site_server.database, "PC01")
    direct = {
        "@odata.type": "#AdminService.SMS_CollectionRuleDirect",
        "RuleName": "one",
        "ResourceClassName": "SMS_R_System",
        "ResourceID": resource,
    }
    query = {"RuleName": "many", "QueryExpression": "select * from SMS_R_System where Name like 'X%'"}
    made = await administrator.new("SMS_Collection", Name="Lab", CollectionRules=[direct])
    key = f"SMS_Collection('{made['CollectionID']}')"
    assert made["CollectionRules"] == [direct]
    status, _ = await administrator.ask(
        "POST", f"{key}/AdminService.AddMembershipRule", {"collectionRule": query}
    )
    assert status == 201
    await until(lambda: administrator.all("SMS_FullCollectionMembership", filter=f"ResourceID eq {resource} "
                                          f"and CollectionID eq '{made['CollectionID']}'"))  # fmt: skip
    status, _ = await administrator.ask(
        "POST", f"{key}/AdminService.DeleteMembershipRule", {"collectionRule": {"RuleName": "one"}}
    )
    assert status == 201
    assert len((await administrator.one(key))["CollectionRules"]) == 1
    assert (await administrator.ask("DELETE", key))[0] == 204
    status, refused = await administrator.ask("DELETE", "SMS_Collection('SMS00001')")
    assert (status, refused["error"]["message"]) == (409, "collection SMS00001 is built in")


async def test_lists(administrator: Administrator, site_server: SiteServer) -> None:
    for i in range(5):
        await add_system(site_server.database, f"PC{i}", IP_Subnets0=[f"10.0.{i}.0"], Client0=i % 2)
    names = {"select": "Name"}
    assert await administrator.all("SMS_R_System", **names, filter="Client eq 1") == [
        {"Name": "PC1"},
        {"Name": "PC3"},
    ]
    page = await administrator.all("SMS_R_System", **names, orderby="Name desc", top="2", skip="1")
    assert page == [{"Name": "PC3"}, {"Name": "PC2"}]
    assert await administrator.all("SMS_R_System", **names, filter="startswith(Name,'pc4') eq true")
    status, counted = await administrator.ask(
        "GET", "SMS_R_System", **{"$count": "true", "$top": "1", "$filter": "Name ne 'PC0'"}
    )
    assert (status, counted["@odata.count"], len(counted["value"])) == (200, 4, 1)
    assert counted["@odata.context"].endswith("/AdminService/wmi/$metadata#SMS_R_System")
    one = (await administrator.all("SMS_R_System", top="1"))[0]
    assert one["IPSubnets"] == ["10.0.0.0"]
    assert (await administrator.one(f"SMS_R_System({one['ResourceId']})"))["Name"] == "PC0"


async def test_every_class_can_be_listed(administrator: Administrator, site_server: SiteServer) -> None:
    for of_class in site_server.provider.classes.values():
        status, answer = await administrator.ask("GET", of_class.name)
        assert status == 200, answer


ADVERTISEMENT = {
    "AdvertisementName": "x",
    "PackageID": "S0100001",
    "ProgramName": "Run",
    "CollectionID": "SMS00001",
}
REFUSALS: list[tuple[str, str, Any, int, str]] = [
    ("GET", "SMS_Nonsense", None, 404, "SMS_Package"),
    ("GET", "SMS_Package('S0109999')", None, 404, "S0109999"),
    ("GET", "SMS_Program('S0100001')", None, 400, "PackageID, ProgramName"),
    ("GET", "SMS_R_System('abc')", None, 400, "ResourceId"),
    ("POST", "SMS_Package", {}, 400, "needs Name"),
    ("POST", "SMS_Package", [], 400, "JSON object"),
    ("POST", "SMS_Package", {"Name": 5}, 400, "a text is expected"),
    ("POST", "SMS_Package", {"Name": "a\0b"}, 400, "Name"),
    ("POST", "SMS_Package", {"Name": "a]]>b"}, 400, "Name"),
    ("GET", "SMS_R_System(99999999999999999999)", None, 400, "ResourceId"),
    ("GET", "SMS_R_System(4000000000)", None, 404, "4000000000"),
    ("POST", "SMS_Package", {"Name": "a", "Nome": "b"}, 400, "Nome"),
    ("POST", "SMS_Package", {"Name": "a", "PackageID": "S0100009"}, 400, "PackageID"),
    ("POST", "SMS_Package", {"Name": "a", "Priority": True}, 400, "Priority"),
    ("POST", "SMS_Package", {"Name": "a", "PkgFlags": 2**40}, 400, "PkgFlags"),
    ("POST", "SMS_Package", {"Name": "a", "PkgSourceFlag": 2}, 400, "PkgSourcePath"),
    ("POST", "SMS_Package", {"Name": "a", "PkgSourcePath": "relative"}, 400, "absolute"),
    (
        "POST",
        "SMS_Program",
        {"PackageID": "S01FFFFF", "ProgramName": "p", "CommandLine": "c"},
        400,
        "S0100001",
    ),
    (
        "POST",
        "SMS_Program",
        {"PackageID": "S0100001", "ProgramName": "run", "CommandLine": "c"},
        409,
        "already",
    ),
    (
        "PATCH",
        "SMS_Program(PackageID='S0100001',ProgramName='Run')",
        {"ProgramName": "b"},
        400,
        "CommandLine",
    ),
    ("PATCH", "SMS_Program(PackageID='S0100001',ProgramName='Run')", {"DependentProgram": "x"}, 400, ";;"),
    (
        "POST",
        "SMS_DistributionPoint",
        {"PackageID": "S0100001", "ServerNALPath": "x"},
        400,
        "no source files",
    ),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"PackageID": "S01FFFFF"}, 400, "S0100001"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"ProgramName": "Walk"}, 400, "Run"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"CollectionID": "S01FFFFF"}, 400, "SMS00001"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"AssignedSchedule": "123"}, 400, "16 hex"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"AssignedSchedule": "0" * 256}, 400, "at most 15"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"AssignedSchedule": [{"DaySpan": 1}]}, 400, "StartTime"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"RemoteClientFlags": 0x1800}, 400, "NeverRerun"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"PresentTime": "soon"}, 400, "PresentTime"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"PresentTime": "1066-10-14"}, 400, "1970"),
    ("POST", "SMS_Advertisement", ADVERTISEMENT | {"ExpirationTimeEnabled": True}, 400, "ExpirationTime"),
    ("POST", "SMS_Collection", {"Name": "c", "CollectionRules": [{"RuleName": "r"}]}, 400, "ResourceID"),
    (
        "POST",
        "SMS_Collection",
        {"Name": "c", "CollectionRules": [{"RuleName": "r", "ResourceID": 7}]},
        400,
        "7",
    ),
    (
        "POST",
        "SMS_Collection('SMS00001')/AdminService.AddMembershipRule",
        {"collectionRule": {"RuleName": "q", "QueryExpression": "select * from SMS_R_User"}},
        400,
        "SMS_R_User",
    ),
    ("POST", "SMS_Collection('SMS00001')/AdminService.Nonsense", {}, 404, "RequestRefresh"),
    ("POST", "SMS_Site", {"SiteCode": "S02"}, 405, "not created"),
    ("PATCH", "SMS_Package", {"Name": "b"}, 405, "PATCH"),
    ("DELETE", "SMS_Site('S01')", None, 405, "not deleted"),
]


async def test_refusals(administrator: Administrator) -> None:
    await offer(administrator)
    for verb, path, body, expected, named in REFUSALS:
        status, answer = await administrator.ask(verb, path, body)
        assert (status, named in answer["error"]["message"]) == (expected, True), (verb, path, answer)
    assert len(await administrator.all("SMS_Package")) == 1
    assert len(await administrator.all("SMS_Advertisement")) == 1
    assert len(await administrator.all("SMS_Collection")) == 1


async def test_a_body_that_is_no_json(site_server: SiteServer, http: aiohttp.ClientSession) -> None:
    url = f"{site_server.settings.role.url}/AdminService/wmi/SMS_Package"
    for body in (b"{", b"\xff\xfe", b"[" * 5000):
        async with http.post(url, data=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] in ("MalformedMessage", "InvalidObject")


async def test_two_administrators_at_once(administrator: Administrator, site_server: SiteServer) -> None:
    # what one deletes after the other has checked it, the constraints still guard.
    advertisement = site_server.provider.classes["sms_advertisement"]
    await offer(administrator)
    values = advertisement.check(ADVERTISEMENT | {"ProgramName": "gone since"}, creating=True)
    row = advertisement.by_column(values | {"PresentTime": site_server.clock.now()})

    async def insert() -> None:
        async with site_server.provider.write() as session:
            await provider.insert(
                session, "ProgramOffers", row | {"OfferID": "S0100099", "SourceSite": "S01"}
            )

    with pytest.raises(ObjectConflict):
        await insert()
