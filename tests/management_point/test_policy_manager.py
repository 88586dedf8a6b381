"""Assignments come from the database each time; a body, once served, does not."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.management_point.policy_cache import PolicyCache
from emulator.management_point.policy_manager import PolicyManager
from emulator.protocol.policy import PolicyVersion, StoredPolicy, validation_crc

ONE = "{11111111-1111-4111-8111-111111111111}"
TWO = "{22222222-2222-4222-8222-222222222222}"
BODY = b"\xff\xfe" + "<Policy>\r\n</Policy>".encode("utf-16-le")


def ids(reply: Any) -> list[str]:
    return sorted(f"{a.policy.to_query()}{'-' if a.action == 'delete' else ''}" for a in reply.assignments)


# -- assignments ---------------------------------------------------------------------------


async def test_a_full_request(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE)
    reply = await client.assignments()
    assert (reply.reply_type, ids(reply), reply.site_code) == ("Full", [f"{ONE}.1_00"], "S01")
    assert reply.client_id == client.smsid
    assert reply.validation_data == ""


async def test_changes_since_a_cookie(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE)
    cookie = (await client.assignments()).server_cookie

    # nothing is new.
    nothing = await client.assignments(request_type="OnUpdate", server_cookie=cookie)
    assert (nothing.reply_type, ids(nothing), nothing.server_cookie) == ("OnUpdate", [], cookie)

    # another policy is assigned.
    await lab.database.assign(client.smsid, TWO)
    more = await client.assignments(request_type="OnUpdate", server_cookie=cookie)
    assert ids(more) == [f"{TWO}.1_00"]

    # the first gets a new version.
    await lab.database.assign(client.smsid, ONE, "2.00")
    newer = await client.assignments(request_type="OnUpdate", server_cookie=more.server_cookie)
    assert ids(newer) == [f"{ONE}.2_00"]

    # the second is withdrawn: told to who had it, not to who asks for everything.
    await lab.database.withdraw(client.smsid, TWO)
    less = await client.assignments(request_type="OnUpdate", server_cookie=newer.server_cookie)
    assert ids(less) == [f"{TWO}.1_00-"]
    assert ids(await client.assignments()) == [f"{ONE}.2_00"]


@pytest.mark.parametrize(
    "cookie", ["", "rubbish", "S02:1", "S01:", "S01:-1", "S01:x", "S01:99999999", "S01:" + "9" * 50]
)
async def test_a_cookie_that_is_not_ours_gets_everything(lab: Any, client: Any, cookie: str) -> None:
    await lab.database.assign(client.smsid, ONE)
    reply = await client.assignments(request_type="OnUpdate", server_cookie=cookie)
    assert (reply.reply_type, ids(reply)) == ("Full", [f"{ONE}.1_00"])


async def test_validation_covers_everything_assigned(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE)
    full = await client.assignments(validation_crc=True)
    assert full.validation_data == validation_crc(full.assignments)
    await lab.database.assign(client.smsid, TWO)
    update = await client.assignments(
        validation_crc=True, request_type="OnUpdate", server_cookie=full.server_cookie
    )
    assert ids(update) == [f"{TWO}.1_00"]
    assert update.validation_data == validation_crc((await client.assignments()).assignments)
    assert update.validation_data != full.validation_data


async def test_nobody_gets_what_another_is_assigned(lab: Any, client: Any, stranger: Any) -> None:
    await stranger.register()
    await lab.database.assign(stranger.smsid, ONE)
    assert ids(await client.assignments()) == []
    reply = await client.ask_policy(client_id=stranger.smsid)
    assert reply.status == 403


async def test_public_clients_say_ack_false_and_wait(client: Any) -> None:
    reply = await client.ask_policy(ack=False, site_code="PRI")
    assert (reply.status, bool(reply.text)) == (200, True)


async def test_a_reply_may_be_uncompressed(client: Any) -> None:
    reply = await client.post("MP_PolicyManager", client.request().to_xml(), reply_compression="none")
    assert "<ReplyAssignments".encode("utf-16-le") in reply.body


@pytest.mark.parametrize("body", ["<RequestAssignments/>", "<Other/>", "", "<RequestAssignments"])
async def test_no_request(client: Any, body: str) -> None:
    assert (await client.post("MP_PolicyManager", body)).status == 400


async def test_who_may_ask(lab: Any, client: Any, stranger: Any) -> None:
    body = client.request().to_xml()
    assert (await client.post("MP_PolicyManager", body, signed=False)).status == 403
    assert (await client.post("MP_PolicyManager", body, signer=stranger.signer)).status == 403
    stranger.smsid = "GUID:00000000-0000-4000-8000-000000000001"
    reply = await stranger.ask_policy()
    assert (reply.status, b"not registered" in reply.body) == (403, True)


async def test_no_assignment_without_a_database(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE)
    await client.assignments()
    await lab.database.away()
    for request in {}, {"request_type": "OnUpdate", "server_cookie": "S01:1"}:
        reply = await client.ask_policy(**request)
        assert (reply.status, b"site database" in reply.body) == (500, True)
    await lab.database.back()
    assert ids(await client.assignments()) == [f"{ONE}.1_00"]


# -- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/SMS_MP/.sms_pol?{ONE}.1_00",
        f"/sms_mp/.SMS_POL?{ONE.lower()}.1_00",
        f"/SMS_MP/.sms_pol?%7B{ONE[1:-1]}%7D.1_00",
    ],
)
async def test_a_body_as_it_is_in_the_database(lab: Any, client: Any, path: str) -> None:
    await lab.database.assign(client.smsid, ONE, body=BODY)
    reply = await lab.get(path)
    assert (reply.status, reply.body) == (200, BODY)


async def test_a_body_once_served_is_served_without_the_database(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE, body=BODY)
    await lab.database.assign(client.smsid, TWO)
    assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body == BODY
    await lab.database.away()
    assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body == BODY
    missing = await lab.get(f"/SMS_MP/.sms_pol?{TWO}.1_00")
    assert (missing.status, b"site database" in missing.body) == (500, True)

    # the cache is on disk: a management point that restarts meanwhile still has it.
    await lab.restart()
    assert (await lab.get(f"/sms_mp/.sms_pol?{ONE.lower()}.1_00")).body == BODY
    await lab.database.back()
    assert (await lab.get(f"/SMS_MP/.sms_pol?{TWO}.1_00")).status == 200


async def test_a_new_version_is_another_body(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE, body=BODY)
    await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")
    await lab.database.assign(client.smsid, ONE, "2.00", body=BODY * 2)
    assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.2_00")).body == BODY * 2
    assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body == BODY


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"{TWO}.1_00", 404),
        ("", 400),
        ("nothing", 400),
        (".1_00", 400),
        ("..%2f..%2fetc.1_00", 404),
        ("x" * 300 + ".1_00", 404),
    ],
)
async def test_no_such_body(lab: Any, query: str, status: int) -> None:
    assert (await lab.get(f"/SMS_MP/.sms_pol?{query}")).status == status


async def test_a_cache_that_cannot_be_written_costs_only_the_cache(
    lab: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.database.assign(client.smsid, ONE, body=BODY)

    def refuses(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.management_point.policy_cache.write_durably", refuses)
    assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body == BODY


class Store:
    """A site database of one policy, which can be away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def assignments(self, smsid: str, after: int) -> Any:
        raise SiteDatabaseUnavailable

    async def stored_policy(self, policy: PolicyVersion) -> StoredPolicy:
        self.asked += 1
        if self.away:
            raise SiteDatabaseUnavailable
        return StoredPolicy(BODY)


async def test_the_database_is_asked_for_a_body_once(tmp_path: Any) -> None:
    store = Store()
    manager = PolicyManager(store, PolicyCache(tmp_path), authentication=None, site_code="S01")  # type: ignore[arg-type]
    policy = PolicyVersion(ONE, "1.00")
    assert [(await manager.stored(policy)).body for _ in range(3)] == [BODY] * 3
    assert store.asked == 1
    store.away = True
    with pytest.raises(SiteDatabaseUnavailable):
        await manager.stored(PolicyVersion(ONE, "2.00"))


async def test_cached_names_never_leave_the_folder(tmp_path: Any) -> None:
    cache = PolicyCache(tmp_path / "cache")
    for policy_id in "../../outside", "/etc/x", ".", "..", "a\0b", "ü", "{x}":
        policy = PolicyVersion(policy_id, "1.00")
        await cache.put(policy, policy_id.encode())
        assert cache.get(policy) == policy_id.encode()
    assert len(list((tmp_path / "cache").iterdir())) == 7
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"]
    too_long = PolicyVersion("x" * 1000, "1.00")
    await cache.put(too_long, b"x")
    assert cache.get(too_long) is None
