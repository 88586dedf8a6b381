"""Who may read: anonymous access off, native mode, and the directories beside the ordinary ones."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest
import spnego

from emulator.security import Security, User

PACKAGE = "/SMS_DP_SMSPKG$/S0100001.1"
UNKNOWN = "/SMS_DP_SMSPKG$/aBcDeFgH"
ACCOUNTS = Security(anonymous_content=False, users=(User(name="LAB\\naa", password="P@ssw0rd"),))


async def shake_hands(
    http: aiohttp.ClientSession, url: str, password: str, method: str = "GET"
) -> tuple[int, bytes]:
    context = spnego.client("LAB\\naa", password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    token = context.step()
    for _ in range(2):
        assert token is not None
        headers = {"Authorization": f"NTLM {base64.b64encode(token).decode()}"}
        async with http.request(method, url, headers=headers) as reply:
            status, body = reply.status, await reply.read()
            _, _, challenge = reply.headers.get("WWW-Authenticate", "").partition(" ")
        if status != 401 or not challenge:
            break
        token = context.step(base64.b64decode(challenge))
    return status, body


@pytest.fixture
async def guarded(make_lab: Any) -> Any:
    lab = await make_lab(ACCOUNTS)
    await lab.http.close()
    lab.http = aiohttp.ClientSession(lab.url, connector=aiohttp.TCPConnector(limit=1))
    return lab


@pytest.mark.proves("access.anonymous_off")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND", "OPTIONS", "PUT"])
@pytest.mark.parametrize(
    "url", [UNKNOWN, PACKAGE, f"{PACKAGE}/setup.exe", "/sms_dp_smspkg$", "/SMS_DP_SMSSIG$/S0100001.1.tar"]
)
async def test_nothing_is_read_without_an_account(guarded: Any, method: str, url: str) -> None:
    async with guarded.http.request(method, url) as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "NTLM")
        assert b"MZ" not in await reply.read()


@pytest.mark.proves("access.ntlm", "access.ntlm_other_verb")
@pytest.mark.parametrize(
    ("method", "status"), [("GET", 404), ("HEAD", 404), ("PROPFIND", 404), ("POST", 405)]
)
async def test_the_connection_is_theirs_after_a_handshake_on_any_verb(
    guarded: Any, method: str, status: int
) -> None:
    assert (await shake_hands(guarded.http, UNKNOWN, "P@ssw0rd", method))[0] == status
    async with guarded.http.get(f"{PACKAGE}/setup.exe") as reply:
        assert (reply.status, await reply.read()) == (200, guarded.FILES["setup.exe"])
    async with guarded.http.request("PROPFIND", PACKAGE) as reply:
        assert reply.status == 207


@pytest.mark.proves("access.ntlm")
async def test_another_connection_is_nobodys(guarded: Any) -> None:
    await shake_hands(guarded.http, PACKAGE, "P@ssw0rd")
    async with aiohttp.ClientSession(guarded.url) as other, other.get(PACKAGE) as reply:
        assert reply.status == 401


@pytest.mark.proves("access.wrong_password")
async def test_a_wrong_password(guarded: Any) -> None:
    assert (await shake_hands(guarded.http, f"{PACKAGE}/setup.exe", "wrong"))[0] == 401


@pytest.fixture
async def native(make_lab: Any) -> Any:
    return await make_lab(Security(mode="native"), tls=True)


@pytest.mark.proves("access.native_http")
@pytest.mark.parametrize("url", [UNKNOWN, PACKAGE, "/SMS_DP_SMSPKG$", f"/NOCERT_{PACKAGE[1:]}"])
async def test_native_mode_does_not_speak_http(native: Any, url: str) -> None:
    async with native.http.get(url) as reply:
        assert reply.status == 403


@pytest.mark.proves("access.native_certificate", "access.nocert")
@pytest.mark.parametrize(
    ("certificate", "directory", "status"),
    [
        (True, "SMS_DP_SMSPKG$", 200),
        (False, "SMS_DP_SMSPKG$", 403),
        (False, "NOCERT_SMS_DP_SMSPKG$", 200),
        (False, "nocert_sms_dp_smspkg$", 200),
        (True, "NOCERT_SMS_DP_SMSPKG$", 200),
    ],
)
async def test_native_mode_over_tls(native: Any, certificate: bool, directory: str, status: int) -> None:
    url = f"{native.settings.role.https_url}/{directory}/S0100001.1/setup.exe"
    async with native.http.get(url, ssl=native.tls(certificate=certificate)) as reply:
        assert reply.status == status
        assert (await reply.read() == native.FILES["setup.exe"]) is (status == 200)


@pytest.mark.proves("access.nocert")
async def test_signature_files_without_a_certificate(native: Any) -> None:
    url = f"{native.settings.role.https_url}/NOCERT_SMS_DP_SMSSIG$/S0100001.1.tar"
    async with native.http.get(url, ssl=native.tls(certificate=False)) as reply:
        assert reply.status == 200


@pytest.mark.proves("listing.tls")
async def test_links_say_http_even_over_tls(native: Any) -> None:
    url = f"{native.settings.role.https_url}/SMS_DP_SMSPKG$/Datalib"
    async with native.http.get(url, ssl=native.tls(certificate=True)) as reply:
        page = await reply.text()
    # Who asked over TLS changes the scheme and nothing else, so the port is that of TLS.
    role = native.settings.role
    assert f'<a href="http://{role.host}:{role.https_port}/SMS_DP_SMSPKG$/S0100001.1">' in page


@pytest.mark.proves("access.token")
@pytest.mark.parametrize(
    ("authorization", "status"), [(None, 401), ("NTLM TlRMTVNTUAAB", 401), ("Bearer abc.def.ghi", 403)]
)
async def test_tokens_cannot_be_verified(native: Any, authorization: str | None, status: int) -> None:
    url = f"{native.settings.role.https_url}/CCMTOKENAUTH_SMS_DP_SMSPKG$/S0100001.1/setup.exe"
    headers = {"Authorization": authorization} if authorization else {}
    async with native.http.get(url, headers=headers, ssl=native.tls(certificate=False)) as reply:
        assert reply.status == status
        if status == 401:
            assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.proves("access.probe")
async def test_what_an_unknown_name_tells_of_each_kind_of_site(
    filled: Any, guarded: Any, native: Any
) -> None:
    for lab, status in ((filled, 404), (guarded, 401), (native, 403)):
        async with lab.http.get(UNKNOWN) as reply:
            assert reply.status == status
