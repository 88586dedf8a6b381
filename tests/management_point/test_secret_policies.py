"""Protected policies: nothing for strangers, an envelope for approved clients, never from a cache."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.protocol.envelope import unseal
from emulator.protocol.signing import Signer
from emulator.security import Security
from emulator.site_database import registration
from emulator.site_database.database import SiteDatabase

ONE = "{11111111-1111-4111-8111-111111111111}"
TWO = "{22222222-2222-4222-8222-222222222222}"
BODY = b"\xff\xfe" + "<Policy>\r\n</Policy>".encode("utf-16-le")
PATH = f"/SMS_MP/.sms_pol?{ONE}.1_00"


def token(client: Any, signer: Signer | None = None) -> dict[str, str]:
    text = f"{client.smsid};2026-06-01T08:00:00Z;2"
    signature = (signer or client.signer).sign(f"{text}\0".encode("utf-16-le"))
    return {"ClientToken": text, "ClientTokenSignature": signature}


async def get(lab: Any, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    async with lab.http.get(path, headers=headers) as reply:
        return reply.status, await reply.read()


async def approve(lab: Any, client: Any, approved: bool = True) -> int:
    db = SiteDatabase(lab.database.dsn, timeout=10.0)
    await db.open()
    try:
        rows = await lab.database.run("SELECT MachineID FROM ClientKeyData WHERE SMSID = $1", client.smsid)
        return await registration.approve(db, [rows[0][0]], approved)
    finally:
        await db.close()


@pytest.fixture
async def secret(lab: Any, client: Any) -> str:
    """A secret policy that an approved client is assigned."""
    await lab.database.assign(client.smsid, ONE, body=BODY)
    await lab.database.run("UPDATE Policy SET PolicyFlags = 30, PolicyCategory = 'NAAConfig'")
    await approve(lab, client)
    return PATH


@pytest.mark.proves("policy.html_without_token")
async def test_a_stranger_gets_a_page(lab: Any, client: Any, secret: str) -> None:
    for flags in 30, 2, 4:
        await lab.database.run("UPDATE Policy SET PolicyFlags = $1", flags)
        status, body = await get(lab, secret, {})
        assert (status, body[:6]) == (403, b"<HTML>")


@pytest.mark.proves("policy.token", "policy.altauth")
@pytest.mark.parametrize("directory", ["SMS_MP", "SMS_MP_ALTAUTH", "sms_mp_altauth"])
async def test_a_client_gets_an_envelope(lab: Any, client: Any, secret: str, directory: str) -> None:
    status, body = await get(lab, secret.replace("SMS_MP", directory), token(client))
    assert (status, unseal(body, client.signer.key)) == (200, BODY)
    # Unless the site says otherwise what every client can read: PKCS#1 v1.5 with 3DES.
    assert all(bytes.fromhex(oid) in body for oid in ("06092A864886F70D010101", "06082A864886F70D0307"))
    # every time another one: the key inside is a matter of chance.
    assert (await get(lab, secret, token(client)))[1] != body


@pytest.mark.proves("policy.aes256")
async def test_the_newer_encryption(lab: Any, client: Any, secret: str) -> None:
    await lab.restart(security=Security(secret_encryption="aes256"))
    body = (await get(lab, secret, token(client)))[1]
    assert unseal(body, client.signer.key) == BODY
    assert bytes.fromhex("60864801650304012a") in body  # aes256-cbc


async def test_a_policy_that_only_asks_who_comes(lab: Any, client: Any, secret: str) -> None:
    await lab.database.run("UPDATE Policy SET PolicyFlags = 2")
    assert await get(lab, secret, token(client)) == (200, BODY)


async def test_tokens_that_prove_nothing(lab: Any, client: Any, stranger: Any, secret: str) -> None:
    await stranger.register()
    stranger_id = dict(token(stranger), ClientToken=token(client)["ClientToken"])
    for headers in token(client, stranger.signer), stranger_id, {"ClientToken": token(client)["ClientToken"]}:
        status, body = await get(lab, secret, headers)
        assert (status, body[:6]) == (403, b"<HTML>")
    nobody = type("Nobody", (), {"smsid": f"GUID:{ONE.strip('{}')}", "signer": client.signer})
    assert (await get(lab, secret, token(nobody)))[0] == 403


@pytest.mark.proves("policy.not_assigned")
async def test_a_client_gets_no_secret_that_is_another_ones(
    lab: Any, client: Any, stranger: Any, secret: str
) -> None:
    await stranger.register()
    await approve(lab, stranger)
    for flags in 30, 2:
        await lab.database.run("UPDATE Policy SET PolicyFlags = $1", flags)
        status, body = await get(lab, secret, token(stranger))
        assert (status, b"not assigned" in body) == (403, True)
    await lab.database.withdraw(client.smsid, ONE)
    assert (await get(lab, secret, token(client)))[0] == 403


@pytest.mark.proves("policy.pending", "registration.approve")
async def test_who_is_not_approved_is_told_of_no_secret(lab: Any, client: Any, secret: str) -> None:
    await approve(lab, client, False)
    await lab.database.assign(client.smsid, TWO)
    before = await client.assignments()
    assert [a.policy.policy_id for a in before.assignments] == [TWO]
    status, body = await get(lab, secret, token(client))
    assert (status, b"not approved" in body) == (403, True)
    # approved: the next request is told, and only once.
    assert await approve(lab, client) == 1
    assert await approve(lab, client) == 0
    more = await client.assignments(request_type="OnUpdate", server_cookie=before.server_cookie)
    assert [(a.policy.policy_id, a.flags) for a in more.assignments] == [(ONE, 30)]
    again = await client.assignments(request_type="OnUpdate", server_cookie=more.server_cookie)
    assert again.assignments == ()
    # taken back: it is withdrawn.
    await approve(lab, client, False)
    less = await client.assignments(request_type="OnUpdate", server_cookie=more.server_cookie)
    assert [(a.policy.policy_id, a.action) for a in less.assignments] == [(ONE, "delete")]


@pytest.mark.proves("policy.secret_outage")
async def test_a_secret_is_not_served_without_the_database(lab: Any, client: Any, secret: str) -> None:
    assert (await get(lab, secret, token(client)))[0] == 200
    assert not list((lab.settings.data / "policy_cache").iterdir())
    await lab.database.away()
    status, body = await get(lab, secret, token(client))
    assert (status, b"site database" in body) == (500, True)


@pytest.mark.proves("policy.url_by_hash")
async def test_a_body_by_its_hash(lab: Any, client: Any) -> None:
    await lab.database.assign(client.smsid, ONE, body=BODY)
    digest = "AB" * 32
    await lab.database.run("UPDATE Policy SET PolicyHash = $1", f"SHA256:{digest}")
    for text in digest, digest.lower():
        assert await get(lab, f"/SMS_MP/.sms_pol?{ONE}.SHA256:{text}", {}) == (200, BODY)


@pytest.mark.proves("token.two_headers")
async def test_a_lenient_site_seals_for_whom_is_named(
    lab: Any, client: Any, stranger: Any, secret: str
) -> None:
    await lab.restart(security=Security(verification="lenient"))
    status, body = await get(lab, secret, token(client, stranger.signer))
    assert (status, unseal(body, client.signer.key)) == (200, BODY)
    assert (await get(lab, secret, {}))[1].startswith(b"<HTML>")
