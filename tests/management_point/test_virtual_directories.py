"""Registration by every door of the management point, with Windows accounts and without."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import spnego

from emulator.protocol.message import decode_reply, encode_message
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.security import Security, User

WINDOWS = "/ccm_system_windowsauth/request"
USERS = (User(name="LAB\\alice", password="P@ssw0rd"), User(name="LAB\\PC02$", password="machine"))


@pytest.fixture
async def http(lab: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """One connection, which stays open."""
    await lab.restart(security=Security(users=USERS))
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(lab.settings.role.url, connector=connector) as session:
        yield session


def registration(client: Any) -> bytes:
    request = ClientRegistrationRequest(
        smsid="",
        agent_version="5.00.8325.0000",
        timestamp="2026-06-01T08:00:00Z",
        signing=client.signer.certificate,
        encryption=client.signer.certificate,
        netbios_name=client.name,
        fqdn="pc02.lab.test",
    )
    message = client.message("MP_ClientRegistration", request.to_xml(client.signer), source_id="")
    return encode_message(message)


async def ask(
    http: aiohttp.ClientSession, path: str, body: bytes = b"", verb: str = "CCM_POST", **headers: str
) -> tuple[int, Any, bytes]:
    content = {"Content-Type": 'multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"'} if body else {}
    async with http.request(verb, path, data=body or None, headers=content | headers) as reply:
        return reply.status, reply.headers, await reply.read()


async def shake_hands(
    http: aiohttp.ClientSession,
    path: str,
    body: bytes,
    verb: str = "CCM_POST",
    password: str = "P@ssw0rd",
    scheme: str = "NTLM",
) -> tuple[int, Any, bytes]:
    """Ask without credentials, then with Type 1 and Type 3: the whole body each time."""
    status, headers, _ = await ask(http, path, body, verb)
    assert (status, headers["WWW-Authenticate"]) == (401, "NTLM")
    options = spnego.NegotiateOptions.use_ntlm
    context = spnego.client("LAB\\alice", password, protocol="ntlm", options=options)
    challenge = None
    while True:
        text = base64.b64encode(context.step(challenge) or b"").decode()
        status, headers, answer = await ask(http, path, body, verb, Authorization=f"{scheme} {text}")
        if challenge is not None:
            return status, headers, answer
        assert status == 401
        challenge = base64.b64decode(headers["WWW-Authenticate"].split()[1])


def response(answer: tuple[int, Any, bytes]) -> ClientRegistrationResponse:
    status, headers, body = answer
    assert status == 200, body
    return ClientRegistrationResponse.from_xml(decode_reply(headers["Content-Type"], body))


async def registered(lab: Any) -> list[tuple[str, int]]:
    rows = await lab.database.run("SELECT SMSID, ApprovalStatus FROM ClientKeyData")
    return [tuple(row) for row in rows]


@pytest.mark.proves("registration.windowsauth", "ntlm.body_three_times")
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_under_windows_authentication(lab: Any, http: Any, stranger: Any, scheme: str) -> None:
    told = response(await shake_hands(http, WINDOWS, registration(stranger), scheme=scheme))
    assert (told.status, told.approval_status) == (0, 2)
    # three times the body, one client.
    assert await registered(lab) == [(told.smsid, 1)]
    assert await lab.database.run("SELECT * FROM System_DISC OFFSET 1") == []


@pytest.mark.proves("ntlm.per_connection", "ntlm.other_verb", "lie.second_connection")
@pytest.mark.parametrize("path", ["/ccm_system_windowsauth", "/ccm_system_windowsauth/", WINDOWS])
async def test_the_handshake_may_ride_on_a_get(lab: Any, http: Any, stranger: Any, path: str) -> None:
    status, _, _ = await shake_hands(http, path, b"", "GET")
    assert status == 405
    told = response(await ask(http, WINDOWS, registration(stranger)))
    assert told.approval_status == 2
    # on another connection nobody has shown anything.
    async with aiohttp.ClientSession(lab.settings.role.url) as another:
        assert (await ask(another, WINDOWS, registration(stranger)))[0] == 401
        assert (await ask(another, path, verb="GET"))[0] == 401


async def test_a_wrong_password_registers_nobody(lab: Any, http: Any, stranger: Any) -> None:
    status, headers, _ = await shake_hands(http, WINDOWS, registration(stranger), password="wrong")
    assert (status, headers["WWW-Authenticate"]) == (401, "NTLM")
    assert await registered(lab) == []


@pytest.mark.proves("registration.anonymous", "registration.altauth")
@pytest.mark.parametrize(
    "path", ["/ccm_system/request", "/CCM_System/Request", "/ccm_system_altauth/request"]
)
async def test_without_it_a_client_is_pending(lab: Any, http: Any, stranger: Any, path: str) -> None:
    told = response(await ask(http, path, registration(stranger)))
    assert (told.status, told.approval_status) == (0, -1)
    assert await registered(lab) == [(told.smsid, 0)]
    # the same certificate keeps its identity, and is approved once Windows knows it; for good.
    again = response(await shake_hands(http, WINDOWS, registration(stranger)))
    assert (again.smsid, again.approval_status) == (told.smsid, 2)
    assert response(await ask(http, path, registration(stranger))).approval_status == 2
    assert await registered(lab) == [(told.smsid, 1)]


@pytest.mark.proves("registration.approval")
@pytest.mark.parametrize(("setting", "anonymous", "windows"), [("manual", -1, -1), ("all", 2, 2)])
async def test_whom_the_site_approves(
    lab: Any, http: Any, stranger: Any, setting: Any, anonymous: int, windows: int
) -> None:
    await lab.restart(security=Security(users=USERS, client_approval=setting))
    assert (
        response(await ask(http, "/ccm_system/request", registration(stranger))).approval_status == anonymous
    )
    assert response(await shake_hands(http, WINDOWS, registration(stranger))).approval_status == windows


@pytest.mark.proves("door.altauth")
async def test_what_probes_of_altauth_see(http: Any) -> None:
    for path in "/ccm_system_altauth", "/ccm_system_altauth/", "/ccm_system_altauth/request":
        assert (await ask(http, path, verb="GET"))[0] == 403
    status, _, body = await ask(http, "/ccm_system_altauth/request")
    assert (status, bool(body)) == (200, True)


@pytest.mark.proves("door.tokenauth")
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "invalid_request"),
        ({"Authorization": "Bearer eyJ0"}, "invalid_token"),
        ({"CCMToken": "eyJ0"}, "invalid_token"),
    ],
)
async def test_a_token_nobody_can_verify(
    lab: Any, http: Any, stranger: Any, headers: dict[str, str], error: str
) -> None:
    answer = await ask(http, "/ccm_system_tokenauth/request", registration(stranger), **headers)
    assert answer[0] == 401
    assert error in answer[1]["WWW-Authenticate"]
    assert b"token" in answer[2]
    assert await registered(lab) == []


@pytest.mark.proves("registration.confirmation")
async def test_a_confirmation_is_the_same_once_more(lab: Any, client: Any) -> None:
    request = ClientRegistrationRequest(
        smsid=client.smsid,
        agent_version="4.00",
        timestamp="2026-06-01T08:00:00Z",
        signing=client.signer.certificate,
        encryption=client.signer.certificate,
        netbios_name=client.name,
        fqdn="pc01.lab.test",
        request_type="Confirmation",
    )
    reply = await client.post("MP_ClientRegistration", request.to_xml(client.signer), signed=False)
    told = ClientRegistrationResponse.from_xml(reply.text)
    assert (told.smsid, told.response_type) == (client.smsid, "Confirmation")


@pytest.mark.proves("policy.user")
async def test_users_have_no_policy_here(lab: Any, http: Any, client: Any) -> None:
    body = (
        "<RequestAssignments><Identification><Machine><ClientID/></Machine>"
        "<User><NT4UserName>LAB\\alice</NT4UserName></User></Identification><Resource ResourceType='User'/>"
        "</RequestAssignments>"
    )
    message = encode_message(client.message("MP_PolicyManager", body))
    status, headers, answer = await shake_hands(http, WINDOWS, message)
    assert status == 200
    text = decode_reply(headers["Content-Type"], answer)
    assert 'ReplyType="Full"' in text
    assert "<PolicyAssignment " not in text
