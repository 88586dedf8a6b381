"""SMS_Collection: members, rules, schedules and approval, as public clients ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, add_system, until


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
