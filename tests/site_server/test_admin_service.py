"""Classes, methods and refusals as public clients meet them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from lxml import etree

from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import encode_body
from emulator.site_server import policy_publication
from emulator.site_server.policy_publication import Source
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, add_system, until
from tests.site_server.reporting import SMSID, event

# -- classes that are read -------------------------------------------------------------


@pytest.mark.proves(
    "adminservice.site", "adminservice.sci", "adminservice.aad", "adminservice.console-admins"
)
@pytest.mark.parametrize(
    ("of_class", "options"),
    [
        ("SMS_Site", {}),
        ("SMS_SCI_SysResUse", {"filter": "RoleName eq 'SMS Distribution Point'"}),
        ("SMS_SCI_Reserved", {"select": "UserName,Reserved2,AccountUsage"}),
        ("SMS_SCI_SCProperty", {"filter": "PropertyName eq 'PXEPassword'", "select": "PropertyName,Value1"}),
        (
            "SMS_SCI_SCProperty",
            {"filter": "startswith(PropertyName, 'GlobalAccount')", "select": "Value1,Value2"},
        ),
        ("SMS_AAD_Application_Ex", {"select": "ClientID,SecretKey"}),
        ("SMS_AAD_Tenant_Ex", {"select": "Name,TenantID"}),
        ("SMS_ConsoleAdminsData", {"select": "UserName,MachineName,Source,ConsoleVersion"}),
        ("SMS_Application", {"filter": "LocalizedDisplayName eq 'x'"}),
    ],
)
async def test_a_list_of_what_there_is(
    administrator: Administrator, of_class: str, options: dict[str, str]
) -> None:
    found = await administrator.all(of_class, **options)
    assert len(found) == {"SMS_Site": 1, "SMS_SCI_SysResUse": 2}.get(of_class, 0)


@pytest.mark.proves("adminservice.metadata")
async def test_the_classes_as_odata_describes_them(administrator: Administrator) -> None:
    status, text = await administrator.ask("GET", "$Metadata")
    assert status == 200
    root = etree.fromstring(text.encode())
    edm = {"e": "http://docs.oasis-open.org/odata/ns/edm"}
    assert root.get("Version") == "4.0"
    entity = root.find(".//e:EntityType[@Name='SMS_Package']", edm)
    assert [key.get("Name") for key in entity.iterfind("e:Key/e:PropertyRef", edm)] == ["PackageID"]
    kinds = {p.get("Name"): (p.get("Type"), p.get("Nullable")) for p in entity.iterfind("e:Property", edm)}
    assert kinds["PackageID"] == ("Edm.String", "false")
    assert kinds["SourceDate"] == ("Edm.DateTimeOffset", None)
    sets = {s.get("Name"): s.get("EntityType") for s in root.iterfind(".//e:EntitySet", edm)}
    assert sets["SMS_Site"] == "AdminService.SMS_Site"
    assert set(sets) == {s["name"] for s in (await administrator.ask("GET", ""))[1]["value"]}
    bound = {
        (action.get("Name"), action.find("e:Parameter", edm).get("Type"))
        for action in root.iterfind(".//e:Action", edm)
    }
    assert ("RefreshPkgSource", "AdminService.SMS_Package") in bound
    assert ("GetSiteID", "Collection(AdminService.SMS_Identification)") in bound
    assert (await administrator.ask("POST", "$metadata"))[0] == 405


@pytest.mark.proves("adminservice.site-control-file")
async def test_the_site_control_file(administrator: Administrator) -> None:
    (file,) = await administrator.all("SMS_SiteControlFile", filter="FileType eq 1 and SiteCode eq 's01'")
    assert (file["SiteCode"], file["BuildNumber"]) == ("S01", 6487)
    for method in "Refresh", "Commit":
        path = f"SMS_SiteControlFile(FileType=1,SiteCode='S01')/AdminService.{method}"
        assert await administrator.ask("POST", path, {}) == (201, {"ReturnValue": 0})
    assert (await administrator.ask("POST", path.replace("S01", "S02"), {}))[0] == 404


@pytest.mark.proves("adminservice.extended-data")
async def test_nobody_has_extended_data(administrator: Administrator) -> None:
    path = "SMS_Admin.GetAdminExtendedData"
    assert await administrator.ask("POST", path, {"Type": 1}) == (201, {"ExtendedData": [], "ReturnValue": 0})
    assert (await administrator.ask("POST", path, {"Type": "one"}))[0] == 400


@pytest.mark.proves("adminservice.status")
async def test_status_messages(administrator: Administrator, site_server: SiteServer) -> None:
    resource = await add_system(site_server.database, "PC01", SMS_Unique_Identifier0=SMSID)
    report = event("SoftDistProgramCompletedSuccessfullyEvent", 10008, ExitCode="0")
    await site_server.inboxes.put(report.kind, report.key, report.to_bytes())
    (message,) = await until(lambda: administrator.all("SMS_StatusMessage", filter="MessageID eq 10008"))
    assert (message["Severity"], message["MachineName"]) == (0x40000000, "PC01")
    record = f"RecordID eq {message['RecordID']}"
    attributes = await administrator.all("SMS_StatMsgAttributes", filter=record)
    assert {one["AttributeID"]: one["AttributeValue"] for one in attributes} == {
        400: "S0100001",
        401: "S0120001",
        408: SMSID,
    }
    strings = await administrator.all("SMS_StatMsgInsStrings", filter=record, orderby="InsStrIndex")
    assert strings[0]["InsStrValue"] == "S0120001"
    (status,) = await administrator.all("SMS_ClientAdvertisementStatus", filter=f"ResourceID eq {resource}")
    assert (status["AdvertisementID"], status["LastStateName"]) == ("S0120001", "Succeeded")
    assert status["LastStatusMessageIDName"] == "SoftDistProgramCompletedSuccessfullyEvent"
    assert status["LastStatusMessageIDSeverity"] == 0x40000000
    assert status["LastAcceptanceMessageID"] is None  # nothing was said of it

    # A later word on the acceptance leaves the rest as it is, and the other way round.
    for minutes, (name, message_id) in enumerate(
        (("SoftDistOfferRejectedPlatformEvent", 10018), ("SoftDistProgramStartedEvent", 10005)), 1
    ):
        report = event(name, message_id, minutes=minutes)
        await site_server.inboxes.put(report.kind, report.key, report.to_bytes())

    async def started() -> Any:
        found = await administrator.all("SMS_ClientAdvertisementStatus")
        return found if found[0]["LastState"] == 9 else None

    (status,) = await until(started)
    accepted = {k.removeprefix("LastAcceptance"): v for k, v in status.items() if "Acceptance" in k}
    assert accepted == {
        "MessageID": 10018,
        "MessageIDName": "SoftDistOfferRejectedPlatformEvent",
        "MessageIDSeverity": 0x80000000,
        "State": 2,
        "StateName": "Rejected",
        "StatusTime": "2026-11-23T12:01:00Z",
    }


@pytest.mark.proves("adminservice.summary")
async def test_what_became_of_an_advertisement(administrator: Administrator, site_server: SiteServer) -> None:
    package = await administrator.new("SMS_Package", Name="Script")
    program = {"PackageID": package["PackageID"], "ProgramName": "Run"}
    await administrator.new("SMS_Program", **program, CommandLine="cmd /c exit")
    made = await administrator.new(
        "SMS_Advertisement", AdvertisementName="a", **program, CollectionID="SMS00001"
    )
    ends = {
        "1": "SoftDistProgramCompletedSuccessfullyEvent",
        "2": "SoftDistProgramErrorEvent",
        "3": "SoftDistOfferReceivedEvent",
        "4": "SoftDistOfferRejectedPlatformEvent",
    }
    for digit, end in ends.items():
        smsid = f"GUID:{digit * 8}-2222-4333-8444-555555555555"
        await add_system(site_server.database, f"PC{digit}", SMS_Unique_Identifier0=smsid)
        report = event(end, smsid=smsid, AdvertisementId=made["AdvertisementID"])
        await site_server.inboxes.put(report.kind, report.key, report.to_bytes())
    await until(lambda: site_server.database.fetchval("SELECT count(*) = 4 FROM ClientOfferStatus"))
    (summary,) = await administrator.all("SMS_AdvertisementStatusSummarizer")
    del summary["@odata.etag"], summary["__LAZYPROPERTIES"]
    assert summary == {
        "AdvertisementID": made["AdvertisementID"],
        "SiteCode": "S01",
        "AdvertisementsReceived": 3,
        "AdvertisementsFailed": 1,
        "ProgramsStarted": 2,
        "ProgramsSucceeded": 1,
        "ProgramsFailed": 1,
    }
    (info,) = await administrator.all("SMS_AdvertisementInfo")
    assert (info["AdvertisementName"], info["ProgramName"]) == ("a", "Run")


# -- methods of classes ----------------------------------------------------------------


@pytest.mark.proves("adminservice.identification")
async def test_which_site_this_is(administrator: Administrator) -> None:
    seen = set()
    for verb in ("GET", "POST"):
        status, answer = await administrator.ask(verb, "SMS_Identification.GetSiteID")
        assert status == 201
        seen.add(UUID(answer["SiteID"]))
    assert len(seen) == 1
    status, answer = await administrator.ask("GET", "SMS_Identification.GetProviderVersion")
    assert (status, answer["ProviderVersion"]) == (201, "4.00.6487.0000")


@pytest.mark.proves("adminservice.file-binary")
async def test_files_of_one_folder_in_blocks(administrator: Administrator, site_server: SiteServer) -> None:
    folder = site_server.settings.data / "tools" / "ConsoleSetup"
    folder.mkdir(parents=True)
    content = bytes(range(256)) * 6000  # more than one block
    (folder / "adminconsole.msi").write_bytes(content)
    (site_server.settings.data / "secret.txt").write_text("nobody's")
    (folder / "link.txt").symlink_to(site_server.settings.data / "secret.txt")
    got = b""
    for number in range(1, 10):
        body = {"blockNumber": number, "FileName": "adminconsole.msi"}
        status, answer = await administrator.ask("POST", "SMS_Identification.GetFileBinary", body)
        assert status == 201
        got += base64.b64decode(answer["binary64Encoded"])
        if answer["isTheLastBlock"]:
            break
    assert (got == content, number) == (True, 2)
    for name, expected in (
        ("../../secret.txt", 400),
        ("..\\secret.txt", 400),
        ("/etc/passwd", 400),
        ("..", 400),
        ("link.txt", 400),
        ("a\0b", 400),
        (None, 400),
        ("absent.msi", 404),
    ):
        body = {"blockNumber": 1, "FileName": name}
        assert (await administrator.ask("POST", "SMS_Identification.GetFileBinary", body))[0] == expected, (
            name
        )
    for number in (0, 9, "1", None):
        body = {"blockNumber": number, "FileName": "adminconsole.msi"}
        assert (await administrator.ask("POST", "SMS_Identification.GetFileBinary", body))[0] == 400, number


@pytest.mark.proves("adminservice.task-sequence-package")
async def test_policies_with_secrets(administrator: Administrator, site_server: SiteServer) -> None:
    bodies = {
        "NAAConfig": ("CCM_NetworkAccessAccount", {"NetworkAccessUsername": "89130000"}),
        "TaskSequence": (
            "CCM_TaskSequence",
            {"PKG_PackageID": "S0100099", "PKG_Name": "ts", "TS_Sequence": "89"},
        ),
    }
    for category, (of_class, values) in bodies.items():

        def body(policy: PolicyVersion, of_class: str = of_class, values: Any = values) -> bytes:
            return encode_body(policy, "S01", of_class, values)

        async with site_server.database.transaction() as session:
            source = Source(f"SITE:{category}", category, "S01")
            await policy_publication.publish(session, source, body, site_server.clock.now())
    packages = await administrator.all("SMS_TaskSequencePackage", select="PackageID")
    assert packages == [{"PackageID": "S0100099"}]
    assert await administrator.all("SMS_TaskSequencePackage", filter="startswith(Name,'X')") == []
    for verb in ("GET", "POST"):
        status, answer = await administrator.ask(verb, "SMS_TaskSequencePackage.GetClientConfigPolicies")
        assert status == 201
        (xml,) = answer["PolicyXmls"]
        assert xml.startswith("<Policy")
        assert 'class="CCM_NetworkAccessAccount"' in xml
    body_of = {"PackageID": "s0100099", "AdvertisementID": "x", "SourceSite": "x"}
    status, answer = await administrator.ask("POST", "SMS_TaskSequencePackage.GetTSPolicies", body_of)
    assert (status, "TS_Sequence" in answer["PolicyXmls"][0]) == (201, True)
    status, _ = await administrator.ask(
        "POST", "SMS_TaskSequencePackage.GetTSPolicies", {"PackageID": "S01FFFFF"}
    )
    assert status == 404


@pytest.mark.proves("adminservice.client-operation")
async def test_an_operation_is_kept(administrator: Administrator) -> None:
    body = {"Type": 8, "TargetCollectionID": "sms00001"}
    status, answer = await administrator.ask("POST", "SMS_ClientOperation.InitiateClientOperation", body)
    assert status == 201
    kept = await administrator.one(f"SMS_ClientOperation({answer['OperationID']})")
    assert (kept["Type"], kept["TargetCollectionID"], kept["RequestedBy"]) == (
        8,
        "SMS00001",
        "NT AUTHORITY\\SYSTEM",
    )
    for wrong in (
        {"Type": 8},
        {"Type": "8", "TargetCollectionID": "SMS00001"},
        body | {"TargetCollectionID": "x"},
    ):
        status, _ = await administrator.ask("POST", "SMS_ClientOperation.InitiateClientOperation", wrong)
        assert status == 400


# -- status codes and errors -----------------------------------------------------------


@pytest.mark.parametrize(
    ("of_class", "body", "named"),
    [
        ("SMS_Application", {"SDMPackageXML": "<x/>"}, "AppMgmtDigest"),
        ("SMS_Application", {"SDMPackageXML": "<x"}, "well-formed"),
        ("SMS_Application", {"SDMPackageXML": "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}, "document type"),
        ("SMS_Application", {}, "SDMPackageXML"),
        (
            "SMS_ApplicationAssignment",
            {"AssignmentName": "a", "TargetCollectionID": "SMS00001", "AssignedCIs": [5]},
            "AssignedCIs",
        ),
        (
            "SMS_ApplicationAssignment",
            {"AssignmentName": "a", "TargetCollectionID": "SMS00001"},
            "AssignedCIs",
        ),
        ("SMS_Admin", {"LogonName": "a", "Permissions": [1]}, "permission"),
        (
            "SMS_Admin",
            {"LogonName": "a", "Permissions": [{"RoleID": "r", "CategoryID": "c"}]},
            "CategoryTypeID",
        ),
    ],
)
async def test_what_is_refused(
    administrator: Administrator, of_class: str, body: dict[str, Any], named: str
) -> None:
    status, refused = await administrator.ask("POST", of_class, body)
    assert (status, named in refused["error"]["message"]) == (400, True), refused


@pytest.mark.proves("adminservice.errors")
@pytest.mark.parametrize(
    ("verb", "path", "status", "allowed"),
    [
        ("DELETE", "SMS_Package", 405, "GET, HEAD, POST"),
        ("PUT", "SMS_Package('S0100001')", 405, "GET, HEAD, PATCH, DELETE"),
        ("POST", "SMS_Site", 405, "GET, HEAD"),
        ("DELETE", "", 405, "GET, HEAD"),
        ("GET", "SMS_Collection('SMS00001')/AdminService.RequestRefresh", 405, "POST"),
        ("DELETE", "SMS_Identification.GetSiteID", 405, "GET, HEAD, POST"),
        ("GET", "SMS_Nonsense", 404, None),
        ("GET", "SMS_Identification.Nonsense", 404, None),
        ("GET", "SMS_Package?$filter=Nome eq 'x'", 400, None),
        ("GET", "SMS_Package?$expand=Programs", 400, None),
        ("GET", "SMS_Package(", 400, None),
        ("DELETE", "SMS_Admin(16777217)", 409, None),
    ],
)
async def test_each_refusal_has_its_status(
    site_server: SiteServer,
    http: aiohttp.ClientSession,
    verb: str,
    path: str,
    status: int,
    allowed: str | None,
) -> None:
    await until(lambda: site_server.database.fetchval("SELECT count(*) = 2 FROM RBAC_Admins"))
    url = f"{site_server.settings.role.url}/AdminService/wmi/{path}"
    async with http.request(verb, url, json={}) as reply:
        assert (reply.status, reply.headers.get("Allow")) == (status, allowed)
        error = (await reply.json())["error"]
        assert set(error) == {"code", "message"}


async def test_a_body_that_is_too_large(site_server: SiteServer, http: aiohttp.ClientSession) -> None:
    url = f"{site_server.settings.role.url}/AdminService/wmi/SMS_Package"
    body = io.BytesIO(b" " * (site_server.settings.max_body + 1))
    async with http.post(url, data=body) as reply:
        assert (reply.status, reply.headers.get("Connection")) == (413, "close")
        assert (await reply.json())["error"]["code"] == "MessageTooLarge"


async def test_administrators_of_the_topology_come_and_go_with_it(
    administrator: Administrator, site_server: SiteServer, tmp_path: Path
) -> None:
    await site_server.database.execute(
        "INSERT INTO RBAC_Admins (LogonName, OfTopology, SourceSite, CreatedBy, CreatedDate)"
        " VALUES ('LAB\\gone', true, 'S01', 'x', now()), ('LAB\\kept', false, 'S01', 'x', now())"
    )
    await site_server.site_control.work()
    names = {one["LogonName"] for one in await administrator.all("SMS_Admin", select="LogonName")}
    assert names == {"LAB\\administrator", "LAB\\second", "LAB\\kept"}
