"""NTLM per connection, in every spelling of an account, with pyspnego's initiator on the other side."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import spnego
from aiohttp import web
from spnego._ntlm_raw.crypto import compute_response_v1, ntowfv1

from emulator.security import User
from emulator.windows_authentication import WindowsAuthentication

USERS = (User(name="LAB\\alice", password="P@ssw0rd"), User(name="LAB\\PC1$", password="machine"))


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    windows = WindowsAuthentication(USERS, tmp_path)

    async def who(request: web.Request) -> web.Response:
        return web.Response(text=(await windows.user(request)).name)

    app = web.Application()
    app.router.add_route("*", "/", who)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site.port}/"
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        yield session


def initiator(name: str, password: str) -> spnego.ContextProxy:
    return spnego.client(name, password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


async def ask(
    http: aiohttp.ClientSession, url: str, token: bytes | None, scheme: str = "NTLM", method: str = "GET"
) -> tuple[int, str, str]:
    headers = {} if token is None else {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
    async with http.request(method, url, headers=headers, data=b"the whole body") as reply:
        return reply.status, reply.headers.get("WWW-Authenticate", ""), await reply.text()


async def shake_hands(
    http: aiohttp.ClientSession,
    url: str,
    name: str,
    password: str = "P@ssw0rd",
    scheme: str = "NTLM",
    method: str = "GET",
) -> tuple[int, str]:
    context = initiator(name, password)
    status, offered, _ = await ask(http, url, context.step(), scheme, method)
    assert status == 401
    name_of_scheme, _, challenge = offered.partition(" ")
    assert name_of_scheme == scheme
    status, _, text = await ask(http, url, context.step(base64.b64decode(challenge)), scheme, method)
    return status, text


async def test_without_credentials_the_scheme_is_offered(http: aiohttp.ClientSession, url: str) -> None:
    assert (await ask(http, url, None))[:2] == (401, "NTLM")


@pytest.mark.parametrize(
    "name", ["LAB\\alice", "lab\\ALICE", "alice", "lab.lab.test\\alice", "alice@lab.test", ".\\alice"]
)
async def test_an_account_in_any_spelling(http: aiohttp.ClientSession, url: str, name: str) -> None:
    assert await shake_hands(http, url, name) == (200, "LAB\\alice")


async def test_a_computer_account(http: aiohttp.ClientSession, url: str) -> None:
    assert await shake_hands(http, url, "PC1$", "machine") == (200, "LAB\\PC1$")


async def test_afterwards_the_connection_is_known_without_a_header(
    http: aiohttp.ClientSession, url: str
) -> None:
    """The handshake may ride on another verb than what follows."""
    assert (await shake_hands(http, url, "LAB\\alice", method="GET"))[0] == 200
    assert (await ask(http, url, None, method="POST"))[::2] == (200, "LAB\\alice")
    async with aiohttp.ClientSession() as other:
        assert (await ask(other, url, None))[0] == 401


@pytest.mark.parametrize(("password", "status"), [("P@ssw0rd", 200), ("wrong", 401)])
async def test_texts_are_what_was_negotiated_whatever_their_flag_says(
    http: aiohttp.ClientSession, url: str, password: str, status: int
) -> None:
    """As wget sends them: OEM was agreed on, OEM comes, and the flag says Unicode."""
    type_1 = b"NTLMSSP\0" + struct.pack("<III", 1, 0x0202, 0) + struct.pack("<III", 32, 0, 32)
    _, offered, _ = await ask(http, url, type_1)
    challenge = base64.b64decode(offered.partition(" ")[2])
    response, _, _ = compute_response_v1(0x8201, ntowfv1(password), bytes(16), challenge[24:32], bytes(8))
    fields = [(24, 72), (24, 96), (3, 64), (5, 67), (0, 72), (0, 120)]  # length and offset of each
    type_3 = b"NTLMSSP\0" + struct.pack("<I", 3)
    type_3 += b"".join(struct.pack("<HHI", length, length, offset) for length, offset in fields)
    type_3 += struct.pack("<I", 0x8201) + b"LAB" + b"alice" + bytes(24) + response
    assert (await ask(http, url, type_3))[0] == status


async def test_negotiate_is_answered_with_the_same_scheme(http: aiohttp.ClientSession, url: str) -> None:
    assert await shake_hands(http, url, "LAB\\alice", scheme="Negotiate") == (200, "LAB\\alice")


@pytest.mark.parametrize(("name", "password"), [("LAB\\alice", "wrong"), ("LAB\\nobody", "P@ssw0rd")])
async def test_wrong_credentials(http: aiohttp.ClientSession, url: str, name: str, password: str) -> None:
    status, _ = await shake_hands(http, url, name, password)
    assert status == 401
    assert (await ask(http, url, None))[0] == 401


@pytest.mark.parametrize("token", [b"", b"NTLMSSP\0", b"no token at all", b"NTLMSSP\0\3\0\0\0" + bytes(60)])
async def test_nonsense_is_no_handshake(http: aiohttp.ClientSession, url: str, token: bytes) -> None:
    assert (await ask(http, url, token))[0] == 401


async def test_a_second_handshake_takes_the_connection_away(http: aiohttp.ClientSession, url: str) -> None:
    assert (await shake_hands(http, url, "LAB\\alice"))[0] == 200
    assert (await ask(http, url, initiator("LAB\\alice", "P@ssw0rd").step()))[0] == 401
    assert (await ask(http, url, None))[0] == 401


async def test_the_environment_is_left_as_it_was(http: aiohttp.ClientSession, url: str) -> None:
    before = os.environ.get("NTLM_USER_FILE")
    await shake_hands(http, url, "LAB\\alice")
    assert os.environ.get("NTLM_USER_FILE") == before
