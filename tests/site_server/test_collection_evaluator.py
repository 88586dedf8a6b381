"""Rules become members: at once, after every change, and only as the rules mean it."""

from __future__ import annotations

from typing import Any

from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, add_system, until


async def members(administrator: Administrator, collection: dict[str, Any]) -> list[str]:
    rows = await administrator.all(
        "SMS_FullCollectionMembership",
        filter=f"CollectionID eq '{collection['CollectionID']}'",
        orderby="Name",
    )
    return [row["Name"] for row in rows]


async def test_rules_become_members(administrator: Administrator, site_server: SiteServer) -> None:
    db = site_server.database
    first = await add_system(db, "PC1", IP_Subnets0=["10.0.0.0", "10.1.0.0"])
    await add_system(db, "PC2")
    await add_system(db, "SRV1")
    query = {
        "RuleName": "q",
        "QueryExpression": "select * from SMS_R_System where IPSubnets like '10.1.%' or Name like '[r-t]rv%'",
    }
    direct = {"RuleName": "d", "ResourceID": first}
    lab = await administrator.new("SMS_Collection", Name="Lab", CollectionRules=[query, direct])

    async def are(*names: str) -> None:
        async def same() -> bool:
            return await members(administrator, lab) == list(names)

        await until(same)

    await are("PC1", "SRV1")
    # a new computer fits, one no longer does, one is deleted.
    await add_system(db, "SRV2")
    await are("PC1", "SRV1", "SRV2")
    await db.execute("UPDATE System_DISC SET Name0 = 'OTHER' WHERE Name0 = 'SRV1'")
    await are("PC1", "SRV2")
    assert (await administrator.ask("DELETE", f"SMS_R_System({first})"))[0] == 204
    await are("SRV2")

    async def counted() -> bool:
        read = await administrator.one(f"SMS_Collection('{lab['CollectionID']}')")
        return (read["MemberCount"], read["CurrentStatus"]) == (1, 1)

    await until(counted)
    assert await members(administrator, {"CollectionID": "SMS00001"}) == ["OTHER", "PC2", "SRV2"]


async def test_nothing_to_do_writes_nothing(site_server: SiteServer) -> None:
    db = site_server.database
    await add_system(db, "PC1")
    await until(lambda: db.fetchval("SELECT count(*) = 1 FROM CollectionMembers"))
    await site_server.collection_evaluator.work()
    before = await db.fetchval("SELECT xmin::text FROM Collections")
    await site_server.collection_evaluator.work()
    assert await db.fetchval("SELECT xmin::text FROM Collections") == before


async def test_a_manual_collection_waits_for_a_refresh(
    administrator: Administrator, site_server: SiteServer
) -> None:
    rule = {"RuleName": "q", "QueryExpression": "select * from SMS_R_System"}
    made = await administrator.new("SMS_Collection", Name="m", RefreshType=1, CollectionRules=[rule])
    everybody = {"CollectionID": "SMS00001"}
    await add_system(site_server.database, "PC1")
    await until(lambda: members(administrator, everybody))
    await site_server.collection_evaluator.work()
    await add_system(site_server.database, "PC2")

    async def both() -> bool:
        return len(await members(administrator, everybody)) == 2

    await until(both)
    assert "PC2" not in await members(administrator, made)
    key = f"SMS_Collection('{made['CollectionID']}')"
    assert (await administrator.ask("POST", f"{key}/AdminService.RequestRefresh", {}))[0] == 201

    async def refreshed() -> bool:
        return await members(administrator, made) == ["PC1", "PC2"]

    await until(refreshed)


async def test_a_rule_that_came_another_way_changes_nothing(site_server: SiteServer) -> None:
    db = site_server.database
    await add_system(db, "PC1")
    await until(lambda: db.fetchval("SELECT count(*) = 1 FROM CollectionMembers"))
    await db.execute("UPDATE CollectionRules SET QueryExpression = 'select * from Nonsense'")
    await site_server.collection_evaluator.work()  # whoever read the old rule is done now
    await add_system(db, "PC2")
    await site_server.collection_evaluator.work()
    assert await db.fetchval("SELECT count(*) FROM CollectionMembers") == 1
