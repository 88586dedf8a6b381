"""Who sent a message: every tolerated form, and every lie, refused or visible."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from emulator.protocol.message import encode_message
from emulator.protocol.policy import ReplyAssignments
from emulator.protocol.registration import ClientRegistrationResponse
from emulator.security import Security

ONE = "{11111111-1111-4111-8111-111111111111}"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def changed(client: Any, **properties: str | None) -> bytes:
    """A signed policy request with some properties of its hook replaced, or (None) taken out."""
    message = client.message("MP_PolicyManager", client.request().to_xml())
    body = encode_message(message, client.signer)
    head, bom, rest = body.partition(b"\xff\xfe")
    end = rest.index(b"\r\n--")
    header = rest[:end].decode("utf-16-le")
    for name, value in properties.items():
        start = header.index(f'<Property Name="{name}">')
        stop = header.index("</Property>", start) + len("</Property>")
        new = "" if value is None else f'<Property Name="{name}">{value}</Property>'
        header = header[:start] + new + header[stop:]
    return head + bom + utf16(header) + rest[end:]


@pytest.mark.proves(
    "clientauth.braces", "clientauth.without_nul", "clientauth.without_id", "clientauth.capability"
)
@pytest.mark.parametrize("form", ["GUID:{}\0", "GUID:{}", "GUID:{{{}}}\0", "GUID:{{{}}}", "missing"])
async def test_forms_of_the_identitys_signature(client: Any, form: str) -> None:
    text = form.format(client.smsid.removeprefix("GUID:"))
    signature = None if form == "missing" else client.signer.sign(utf16(text)).lower()
    body = changed(client, ClientIDSignature=signature, PublicKey=None)
    assert (await client.lab.send(body)).status == 200


@pytest.mark.proves("clientauth.sha1")
@pytest.mark.parametrize("announced", ["1.2.840.113549.1.1.5", "1.3.14.3.2.26", None])
async def test_sha1_by_its_identifier(client: Any, announced: str | None) -> None:
    body = changed(client)
    payload = body[body.index(b"octet-stream\r\n\r\n") + 16 : body.rindex(b"\r\n--")]

    def sign(data: bytes) -> str:
        return client.signer.key.sign(data, padding.PKCS1v15(), hashes.SHA1())[::-1].hex()

    signatures = {"ClientIDSignature": sign(utf16(client.smsid + "\0")), "PayloadSignature": sign(payload)}
    assert (await client.lab.send(changed(client, **signatures, HashAlgorithm=announced))).status == 200
    # announced as what it is not
    assert (await client.lab.send(changed(client, **signatures))).status == 403


def token(client: Any, smsid: str = "") -> str:
    text = f"{smsid or client.smsid};2026-06-01T08:00:00"
    return f"ClientToken:{text}\r\nClientTokenSignature:{client.signer.sign(utf16(text + chr(0)))}\r\n"


def by_token(client: Any, smsid: str = "", asks_for: str = "", source_id: str = "") -> bytes:
    """A request as boot media send it: a token and no signature of the payload."""
    request = client.request(client_id=asks_for or client.smsid)
    message = client.message("MP_PolicyManager", request.to_xml(), source_id=source_id)
    body = encode_message(message)
    hook = f'<Hooks><Hook2 Name="clientauth"><Property Name="Token">{token(client, smsid)}</Property></Hook2>'
    return body.replace(utf16("<Hooks>"), utf16(hook))


@pytest.mark.proves("clientauth.token", "policy.unknown_machine")
async def test_boot_media_ask_for_unknown_machines(lab: Any, client: Any, stranger: Any) -> None:
    unknown = "00000000-0000-4000-8000-00000000AAAA"
    for asks_for in "", unknown:
        reply = await lab.send(by_token(client, asks_for=asks_for))
        assert reply.status == 200
        assert ReplyAssignments.from_xml(reply.text).client_id.endswith(asks_for or client.smsid)
    # not for somebody who is a client already, not with another's key, not in another's name.
    await stranger.register()
    assert (await lab.send(by_token(client, asks_for=stranger.smsid))).status == 403
    assert (await lab.send(by_token(client, smsid=stranger.smsid))).status == 403
    assert (await lab.send(by_token(client, source_id=stranger.smsid))).status == 403


async def lies(lab: Any, client: Any, stranger: Any) -> dict[str, Any]:
    """What a liar may try, and what came back."""
    body = client.request().to_xml()
    return {
        "the wrong key": await client.post("MP_PolicyManager", body, signer=stranger.signer),
        "no signature": await client.post("MP_PolicyManager", body, signed=False),
        "another's policies": await client.ask_policy(client_id=stranger.smsid),
        "an unknown client": await client.ask_policy_as("GUID:00000000-0000-4000-8000-000000000009"),
    }


@pytest.fixture
def liar(client: Any) -> Any:
    async def ask_policy_as(smsid: str) -> Any:
        body = client.request(client_id=smsid).to_xml()
        return await client.post("MP_PolicyManager", body, source_id=smsid)

    client.ask_policy_as = ask_policy_as
    return client


@pytest.mark.proves("lie.wrong_key", "lie.other_id", "lie.unsigned", "lie.unknown")
async def test_lies_are_refused(lab: Any, liar: Any, stranger: Any) -> None:
    await stranger.register()
    for lie, reply in (await lies(lab, liar, stranger)).items():
        assert reply.status == 403, lie


@pytest.mark.proves("lenient.visible")
async def test_a_lenient_site_serves_them_and_says_so(
    lab: Any, liar: Any, stranger: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await lab.restart(security=Security(verification="lenient"))
    await stranger.register()
    await lab.database.assign(stranger.smsid, ONE)
    caplog.set_level(logging.WARNING)
    told = await lies(lab, liar, stranger)
    assert {reply.status for reply in told.values()} == {200}
    assert ReplyAssignments.from_xml(told["another's policies"].text).client_id == stranger.smsid
    said = [
        record.getMessage() for record in caplog.records if "believed without proof" in record.getMessage()
    ]
    for reason in "does not match", "is not signed", "asks for the policies", "is not registered":
        assert any(reason in line for line in said), reason


@pytest.mark.proves("lie.replayed_registration")
@pytest.mark.parametrize("verification", ["strict", "lenient"])
async def test_a_known_identity_with_another_key(
    lab: Any, client: Any, stranger: Any, verification: str
) -> None:
    await lab.restart(security=Security(verification=verification))
    stranger.smsid = client.smsid
    reply = await stranger.register()
    rows = await lab.database.run(
        "SELECT SigningCertificate FROM ClientKeyData WHERE SMSID = $1", client.smsid
    )
    assert rows[0][0] == client.signer.certificate
    if verification == "strict":
        assert (reply.status, b"another key" in reply.body) == (403, True)
    else:
        assert ClientRegistrationResponse.from_xml(reply.text).smsid != client.smsid
    # its own owner may register as often as it likes.
    assert (await client.register()).status == 200


@pytest.mark.proves("lie.cut_short")
async def test_a_body_cut_short_is_not_half_processed(lab: Any, stranger: Any) -> None:
    sent: list[bytes] = []
    send, lab.send = lab.send, lambda body: remember(body)

    async def remember(body: bytes) -> Any:
        sent.append(body)
        return replace(await send(b"x"), status=499)

    await stranger.register()
    lab.send = send
    for length in len(sent[0]) // 2, len(sent[0]) - 40, 100:
        assert (await lab.send(sent[0][:length])).status in (400, 403)
    assert await lab.database.run("SELECT SMSID FROM ClientKeyData") == []
    assert (await lab.send(sent[0])).status == 200
