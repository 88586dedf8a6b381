"""Routes, classes and methods as public clients call them."""

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
from tests.site_server.reporting import SMSID, ddr, event

HUNTED = (
    "Active,Client,DistinguishedName,FullDomainName,IPAddresses,\n        LastLogonUserDomain,"
    "LastLogonUserName,Name,"
    "OperatingSystemNameandVersion,PrimaryGroupID,\n        ResourceId,ResourceNames,SID,SMSInstalledSites,"
    "SMSUniqueIdentifier"
)


# -- resources -------------------------------------------------------------------------


@pytest.mark.proves("adminservice.system")
async def test_a_discovered_system(administrator: Administrator, site_server: SiteServer) -> None:
    told = {
        "NetbiosName": "PC1",
        "Name": "PC1",
        "IPAddresses": "10.0.0.7, fe80::1",
        "LastLogonUserName": "alice",
        "LastLogonUserDomain": "LAB",
        "FullDomainName": "LAB.TEST",
        "DistinguishedName": "CN=PC1,DC=lab,DC=test",
        "PrimaryGroupID": "515",
        "SID": "S-1-5-21-1-1104",
        "SMSInstalledSites": "S01",
    }
    report = ddr(told)
    await site_server.inboxes.put(report.kind, report.key, report.to_bytes())
    (found,) = await until(
        lambda: administrator.all("SMS_R_System", filter="LastLogonUsername eq 'ALICE' ", select=HUNTED)
    )
    assert list(found) == [name.strip() for name in HUNTED.split(",")]
    assert found["IPAddresses"] == ["10.0.0.7", "fe80::1"]
    assert (found["FullDomainName"], found["LastLogonUserDomain"]) == ("LAB.TEST", "LAB")
    assert (found["PrimaryGroupID"], found["SID"]) == (515, "S-1-5-21-1-1104")
    assert (found["SMSInstalledSites"], found["SMSUniqueIdentifier"]) == (["S01"], SMSID)
    one = await administrator.one(f"SMS_R_System({found['ResourceId']})")
    assert one["@odata.etag"] == f"ResourceId={found['ResourceId']}"
    assert one["__LAZYPROPERTIES"] == []


@pytest.mark.proves("adminservice.user", "adminservice.user-machine-relationship")
async def test_users_of_the_domain_and_their_computers(
    administrator: Administrator, site_server: SiteServer
) -> None:
    (alice,) = await administrator.all("SMS_R_User", filter="UserName eq 'alice' ")
    assert alice["UniqueUserName"] == "LAB\\alice"
    assert alice["UserPrincipalName"] == "alice@lab.test"
    assert {one["UserName"] for one in await administrator.all("SMS_R_User")} == {
        "administrator",
        "second",
        "alice",
    }  # the computer's account is no user
    resource = await add_system(site_server.database, "PC1", User_Name0="Alice", User_Domain0="lab")
    (related,) = await administrator.all(
        "SMS_UserMachineRelationship", filter="endswith(UniqueUsername,'alice') "
    )
    assert related["ResourceID"] == resource
    assert related["RelationshipResourceID"] == alice["ResourceId"]
    assert (related["ResourceName"], related["IsActive"]) == ("PC1", True)


# -- collections -----------------------------------------------------------------------


@pytest.mark.proves("adminservice.collection", "adminservice.collection-member", "adminservice.res-coll")
async def test_a_collection_and_its_members(administrator: Administrator, site_server: SiteServer) -> None:
    names = "CollectionID,CollectionType,IsBuiltIn,LimitToCollectionName,MemberClassName,MemberCount,Name"
    (all_systems,) = await administrator.all("SMS_Collection", select=names)
    assert all_systems["IsBuiltIn"] is True
    assert all_systems["MemberClassName"] == "SMS_CM_RES_COLL_SMS00001"
    resource = await add_system(site_server.database, "PC1")
    made = await administrator.new(
        "SMS_Collection", Name="c", LimitToCollectionID="SMS00001", CollectionType=2, Comment=""
    )
    assert (made["LimitToCollectionName"], made["IsBuiltIn"]) == ("All Systems", False)
    identity = made["CollectionID"]
    rule = {
        "@odata.type": "#AdminService.SMS_CollectionRuleDirect",
        "ResourceClassName": "SMS_R_System",
        "RuleName": "r",
        "ResourceID": resource,
    }
    for address in (f"SMS_Collection('{identity}')", f"SMS_Collection/{identity}"):
        status, _ = await administrator.ask(
            "POST", f"{address}/AdminService.AddMembershipRule", {"collectionRule": rule}
        )
        assert status == 201
    wanted = f"CollectionID eq '{identity}'"
    for of_class in ("SMS_FullCollectionMembership", "SMS_CollectionMember_a"):
        (member,) = await until(lambda of_class=of_class: administrator.all(of_class, filter=wanted))
        assert (member["ResourceID"], member["Name"]) == (resource, "PC1")
    (member,) = await administrator.all(f"sms_cm_res_coll_{identity}")
    assert (member["ResourceID"], member["IsDirect"]) == (resource, True)
    assert await administrator.all(f"SMS_CM_RES_COLL_{identity}", filter="Name eq 'PC2'") == []
    status, answer = await administrator.ask("GET", f"SMS_Collection/{identity}")
    assert (status, answer["value"][0]["Name"]) == (200, "c")
    assert answer["value"][0]["__LAZYPROPERTIES"] == ["CollectionRules"]
    assert (await administrator.ask("GET", "SMS_CM_RES_COLL_S01FFFFF"))[0] == 404
    assert (await administrator.ask("DELETE", f"SMS_Collection/{identity}"))[0] == 204


@pytest.mark.proves("adminservice.collection-methods")
async def test_several_rules_at_once(administrator: Administrator, site_server: SiteServer) -> None:
    await add_system(site_server.database, "PC1")
    made = await administrator.new("SMS_Collection", Name="c")
    key = f"SMS_Collection('{made['CollectionID']}')"
    good = {"RuleName": "a", "QueryExpression": "select * from SMS_R_System where Name = 'PC1'"}
    bad = {"RuleName": "b", "QueryExpression": "select * from SMS_R_User"}
    call = f"{key}/AdminService.AddMembershipRules"
    assert (await administrator.ask("POST", call, {"collectionRules": [good, bad]}))[0] == 400
    assert (await administrator.one(key))["CollectionRules"] == []
    assert (await administrator.ask("POST", call, {"collectionRules": [good]}))[0] == 201

    async def counted() -> bool:
        status, answer = await administrator.ask("POST", f"{key}/AdminService.GetNumResults")
        return (status, answer["Result"]) == (201, 1)

    await until(counted)
    call = f"{key}/AdminService.DeleteMembershipRules"
    assert (await administrator.ask("POST", call, {"collectionRules": [good]}))[0] == 201
    assert (await administrator.ask("POST", call, {"collectionRules": [good]}))[0] == 404
    for rule, expected in ((good, True), (bad, False)):
        body = {"WQLQuery": rule["QueryExpression"]}
        status, answer = await administrator.ask("POST", "SMS_CollectionRuleQuery.ValidateQuery", body)
        assert (status, answer["ReturnValue"], "Reason" in answer) == (201, expected, not expected)


@pytest.mark.proves("adminservice.schedule-methods")
async def test_schedules_are_converted_both_ways(administrator: Administrator) -> None:
    tokens = [
        {"@odata.type": "#AdminService.SMS_ST_NonRecurring", "StartTime": "2026-01-01T00:10:00Z"},
        {
            "@odata.type": "#AdminService.SMS_ST_RecurInterval",
            "StartTime": "2026-01-01T00:10:00Z",
            "DaySpan": 1,
            "HourSpan": 2,
            "MinuteSpan": 3,
        },
    ]
    status, written = await administrator.ask(
        "POST", "SMS_ScheduleMethods.WriteToString", {"TokenData": tokens}
    )
    assert (status, len(written["StringData"])) == (201, 32)
    body = {"StringData": written["StringData"]}
    status, read = await administrator.ask("POST", "SMS_ScheduleMethods.ReadFromString", body)
    assert (status, read["TokenData"]) == (201, tokens)
    body = {"StringData": "123"}
    assert (await administrator.ask("POST", "SMS_ScheduleMethods.ReadFromString", body))[0] == 400


@pytest.mark.parametrize(
    ("more", "named"),
    [({"CollectionType": 1}, "CollectionType"), ({"LimitToCollectionID": "S0100001"}, "SMS00001")],
)
async def test_collections_that_nobody_would_evaluate(
    administrator: Administrator, more: dict[str, Any], named: str
) -> None:
    status, refused = await administrator.ask("POST", "SMS_Collection", {"Name": "c"} | more)
    assert (status, named in refused["error"]["message"]) == (400, True)


@pytest.mark.proves("adminservice.approve-clients")
async def test_clients_are_approved(administrator: Administrator, site_server: SiteServer) -> None:
    db = site_server.database
    resource = await add_system(db, "PC1")
    await db.execute(
        "INSERT INTO ClientKeyData (SMSID, MachineID, SigningCertificate, Thumbprint, ApprovalStatus,"
        " RegisteredAt) VALUES ('GUID:1', $1, 'x', 'T', 0, now())",
        resource,
    )
    body = {"ResourceIds": [resource, 5], "Approved": True}
    status, answer = await administrator.ask("POST", "SMS_Collection.ApproveClients", body)
    assert (status, answer["Changed"]) == (201, [resource])
    assert await db.fetchval("SELECT ApprovalStatus FROM ClientKeyData") == 1
    body = {"ResourceIds": [resource], "Approved": False}
    assert (await administrator.ask("POST", "sms_collection.approveclients", body))[0] == 201
    assert await db.fetchval("SELECT ApprovalStatus FROM ClientKeyData") == 0
    body = {"ResourceIds": ["x"]}
    assert (await administrator.ask("POST", "SMS_Collection.ApproveClients", body))[0] == 400


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


# -- applications ----------------------------------------------------------------------

DIGEST = """<?xml version="1.0" encoding="utf-16"?>
<AppMgmtDigest xmlns="http://schemas.microsoft.com/SystemCenterConfigurationManager/2009/AppMgmtDigest">
 <Application AuthoringScopeId="ScopeId_1" LogicalName="Application_2" Version="1">
  <DisplayInfo DefaultLanguage="en-US"><Info Language="en-US"><Title>calc</Title></Info></DisplayInfo>
 </Application>
 <DeploymentType AuthoringScopeId="ScopeId_1" LogicalName="DeploymentType_3" Version="1">
  <Installer Technology="Script"><ExecutionContext>User</ExecutionContext></Installer>
 </DeploymentType>
</AppMgmtDigest>"""


@pytest.mark.proves("adminservice.application", "adminservice.application-assignment")
async def test_an_application_is_made_deployed_and_taken_back(administrator: Administrator) -> None:
    made = await administrator.new("SMS_Application", SDMPackageXML=DIGEST, IsHidden=True)
    identity = made["CI_ID"]
    (listed,) = await administrator.all("SMS_Application", filter="LocalizedDisplayName eq 'calc'")
    assert listed["CI_UniqueID"] == "ScopeId_1/Application_2/1"
    assert (listed["IsHidden"], listed["IsDeployed"], listed["ExecutionContext"]) == (True, False, 1)
    assert "SDMPackageXML" not in listed
    assert (await administrator.one(f"SMS_Application({identity})"))["SDMPackageXML"] == DIGEST
    deployment = {
        "ApplicationName": "calc",
        "AssignmentName": "calc_Install",
        "AssignmentAction": 2,
        "AssignedCIs": [identity],
        "CollectionName": "All Systems",
        "EnforcementDeadline": "2026-11-23T12:00:00Z",
        "NotifyUser": False,
        "SuppressReboot": 0,
        "SourceSite": "S01",
        "TargetCollectionID": "SMS00001",
        "UseGMTTimes": True,
    }
    assigned = await administrator.new("SMS_ApplicationAssignment", **deployment)
    assert assigned["AssignedCIs"] == [identity]
    (found,) = await administrator.all("SMS_ApplicationAssignment", filter="AssignmentName eq 'calc_Install'")
    assert (found["CollectionName"], found["AssignmentAction"], found["NotifyUser"]) == (
        "All Systems",
        2,
        False,
    )
    selected = (
        "ApplicationName,AssignedCI_UniqueID,AssignedCIs,AssignmentName,CollectionName,Enabled,NotifyUser"
    )
    (narrow,) = await administrator.all("SMS_ApplicationAssignment", select=selected)
    assert ",".join(narrow) == selected

    address = f"SMS_Application({identity})"
    assert (await administrator.ask("DELETE", address))[0] == 409  # deployed
    assert (await administrator.ask("DELETE", f"SMS_ApplicationAssignment/{found['AssignmentID']}"))[0] == 204
    assert (await administrator.ask("DELETE", address))[0] == 409  # not retired
    status, _ = await administrator.ask("POST", f"{address}/AdminService.SetIsExpired", {"Expired": True})
    assert status == 201
    assert (await administrator.ask("DELETE", address))[0] == 204
    assert await administrator.all("SMS_Application") == []


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


# -- status codes and errors -----------------------------------------------------------


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
