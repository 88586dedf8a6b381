"""What the settings say becomes policy of a collection's members, in versions, and is withdrawn again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emulator.clock import Clock
from emulator.protocol.policy_body import decode_body
from emulator.protocol.policy_secret import reveal
from emulator.security import SitePolicy
from emulator.site_database import policy
from emulator.site_database.database import SiteDatabase
from emulator.site_server.site_policies import SitePolicies
from emulator.site_server.site_server import SiteServer
from fixtures.topologies import find_topology
from tests.site_server.lab import add_system, until

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
SECURITY = find_topology("secrets").security


@pytest.fixture
async def publish(
    start_site_server: Callable[..., Awaitable[SiteServer]],
) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Publish settings, and see what the one approved client is then assigned, by category."""
    server = await start_site_server()
    db = server.database
    machine = await add_system(db, "PC1", SMS_Unique_Identifier0=SMSID)
    await db.execute(
        "INSERT INTO ClientKeyData"
        " (SMSID, MachineID, SigningCertificate, Thumbprint, ApprovalStatus, RegisteredAt)"
        " VALUES ($1, $2, 'x', 'x', 1, now())",
        SMSID,
        machine,
    )
    await until(lambda: db.fetchval("SELECT EXISTS (SELECT FROM CollectionMembers)"))
    # One that publishes at a time: the server's own provider would withdraw what its settings lack.
    server.policy_provider.site_policies.publish = nothing  # type: ignore[method-assign]

    async def call(*policies: SitePolicy) -> dict[str, Any]:
        security = server.settings.security.model_copy(update={"policies": policies})
        settings = server.settings.model_copy(update={"security": security})
        await SitePolicies(db, settings, Clock(settings.clock)).publish()
        assigned, *_ = await policy.assignments_for(db, SMSID)
        return {item.category: item for item in assigned}

    return call


async def nothing() -> None:
    pass


async def body_of(db: SiteDatabase, assigned: Any) -> bytes:
    return (await policy.stored_policy(db, assigned.policy)).body


@pytest.mark.proves("policy.naa", "policy.task_sequence", "policy.collection_settings", "policy.plain")
async def test_every_category(publish: Any, site_database: SiteDatabase) -> None:
    assigned = await publish(*SECURITY.policies)
    assert {name: item.flags for name, item in assigned.items()} == {
        "NAAConfig": 30,
        "TaskSequence": 31,
        "CollectionSettings": 30,
        "ClientAgentConfig": 0,
    }
    for item in assigned.values():
        assert item.policy_hash.startswith("SHA256:")
        assert re.fullmatch("SHA1:[0-9A-F]{40}", item.policy_hash_sha1)

    naa = await body_of(site_database, assigned["NAAConfig"])
    assert naa[:2] == b"\xff\xfe"
    text = naa.decode("utf-16")
    assert "Network-Access-1" not in text
    # as public clients look for them
    pattern = r'<property name="(NetworkAccess\w+)" type="8" secret="1">\s*<value><!\[CDATA\[([0-9A-F]+)\]\]>'
    secrets = dict(re.findall(pattern, text))
    assert {name: reveal(value) for name, value in secrets.items()} == {
        "NetworkAccessUsername": "LAB\\naa",
        "NetworkAccessPassword": "Network-Access-1",
    }
    assert '<Operator OperatorType="AND">' in assigned["NAAConfig"].condition_xml
    assert 'ExpressionType="continuous"' in assigned["NAAConfig"].condition_xml

    sequence = assigned["TaskSequence"]
    assert re.fullmatch(r"S0120099-S0100099-[0-9A-F]{8}", sequence.policy.policy_id)
    values = decode_body(await body_of(site_database, sequence)).properties
    assert reveal(values["TS_Sequence"]).startswith("<sequence")
    assert values["PKG_Name"] == "Install the lab's computer"

    wrapper = (await body_of(site_database, assigned["CollectionSettings"])).decode("utf-16")
    found = re.search(r">([0-9A-F]+)</Policy>", wrapper)
    assert found
    inner = zlib.decompress(bytes.fromhex(found[1])).decode("utf-16")
    assert "<![CDATA[LocalAdministrator]]>" in inner
    hidden = re.search(r'name="Value" type="8" secret="1">\s*<value><!\[CDATA\[([0-9A-F]+)', inner)
    assert hidden
    assert reveal(hidden[1]) == "Local-1"

    plain = decode_body(await body_of(site_database, assigned["ClientAgentConfig"]))
    assert plain.properties == {"BrandingTitle": "The lab", "PolicyRequestInterval": "60", "Enabled": "true"}


@pytest.mark.proves("policy.versions", "policy.withdrawn")
async def test_versions_follow_the_settings(publish: Any, site_database: SiteDatabase) -> None:
    def settings(password: str, **more: Any) -> SitePolicy:
        item = {"name": "NetworkAccessPassword", "value": password, "secret": True}
        table = {"name": "naa", "category": "NAAConfig", "class": "CCM_NetworkAccessAccount"} | more
        return SitePolicy.model_validate(table | {"property": [item]})

    async def version(*policies: SitePolicy) -> str | None:
        assigned = (await publish(*policies)).get("NAAConfig")
        return assigned.policy.version if assigned else None

    assert await version(settings("one")) == "1.00"
    numbers = "SELECT last_value FROM PolicyChange"
    before = await site_database.fetchval(numbers)
    assert await version(settings("one")) == "1.00"
    assert await site_database.fetchval(numbers) == before
    assert await version(settings("two")) == "2.00"
    assert await version(settings("two", condition="SELECT * FROM SMS_Client")) == "3.00"
    assert await version(settings("two", condition="SELECT * FROM SMS_Client", priority=7)) == "4.00"
    # for others now
    assert await version(settings("two", collection="S0100042")) is None
    assert await version() is None
    assert await version(settings("two")) is not None


async def test_a_setting_that_no_policy_can_hold(publish: Any) -> None:
    bad = SitePolicy.model_validate(
        {"name": "bad", "category": "Bad", "class": "C", "property": [{"name": "p", "value": "]]>"}]}
    )
    assert set(await publish(bad, *SECURITY.policies[-1:])) == {"ClientAgentConfig"}
