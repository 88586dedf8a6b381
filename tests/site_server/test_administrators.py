"""Who is let in: by Windows authentication over TLS, and by the site's secret."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import spnego

from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import SECRET, Wire, until

ADMINISTRATOR = ("LAB\\administrator", "Administrator-1")
ALICE = ("LAB\\alice", "Alice-1")


class Console:
    """One connection to the provider, on which a person shakes hands."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(
        self,
        path: str = "",
        token: bytes | None = None,
        verb: str = "GET",
        scheme: str = "NTLM",
        **options: Any,
    ) -> tuple[int, str, Any]:
        """Status, what is offered, and the answer."""
        headers = {} if token is None else {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
        url = f"{self.url}/AdminService/wmi/{path}"
        async with self._session.request(verb, url, headers=headers, **options) as reply:
            assert reply.content_type == "application/json"
            return reply.status, reply.headers.get("WWW-Authenticate", ""), await reply.json()

    async def shake_hands(
        self,
        account: tuple[str, str],
        path: str = "",
        verb: str = "GET",
        scheme: str = "NTLM",
        **options: Any,
    ) -> tuple[int, Any]:
        """The whole handshake with one request, its body sent each time."""
        assert (await self.ask(path, verb=verb, **options))[:2] == (401, "NTLM")
        return await self.again(account, path, verb, scheme, **options)

    async def again(
        self,
        account: tuple[str, str],
        path: str = "",
        verb: str = "GET",
        scheme: str = "NTLM",
        **options: Any,
    ) -> tuple[int, Any]:
        context = spnego.client(*account, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        status, offered, _ = await self.ask(path, context.step(), verb, scheme, **options)
        assert status == 401
        challenge = base64.b64decode(offered.removeprefix(f"{scheme} "))
        status, _, answer = await self.ask(path, context.step(challenge), verb, scheme, **options)
        return status, answer


@pytest.fixture
async def console(site_server: SiteServer) -> AsyncIterator[Callable[[], Awaitable[Console]]]:
    """Opens connections that trust the site's authority, and no other."""
    trust = ssl.create_default_context(cafile=str(site_server.pki.authority_certificate()))
    sessions = []

    async def open_one() -> Console:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1, ssl=trust))
        sessions.append(session)
        assert site_server.settings.role.https_url
        return Console(session, site_server.settings.role.https_url)

    yield open_one
    for session in sessions:
        await session.close()


Open = Callable[[], Awaitable[Console]]


@pytest.mark.proves("adminservice.root", "adminservice.ntlm", "adminservice.tls")
async def test_the_root_tells_that_this_is_a_provider(console: Open) -> None:
    stranger = await console()
    status, offered, answer = await stranger.ask()
    assert (status, offered, answer["error"]["code"]) == (401, "NTLM", "NotAuthorized")
    status, answer = await stranger.again(ADMINISTRATOR)
    assert status == 200
    assert {"name": "SMS_R_System", "kind": "EntitySet", "url": "SMS_R_System"} in answer["value"]


@pytest.mark.proves("adminservice.ntlm.connection")
async def test_a_connection_stays_known(console: Open) -> None:
    known = await console()
    assert (await known.shake_hands(ADMINISTRATOR, "SMS_Site"))[0] == 200
    assert (await known.ask("SMS_Site"))[0] == 200
    assert (await (await console()).ask("SMS_Site"))[0] == 401


@pytest.mark.proves("adminservice.ntlm.request")
async def test_the_handshake_is_repeated_with_every_request(console: Open, site_server: SiteServer) -> None:
    """As requests_ntlm does it: a body that goes three times makes one object."""
    person = await console()
    status, made = await person.shake_hands(
        ADMINISTRATOR, "SMS_Collection", "POST", json={"Name": "Lab", "CollectionType": 2}
    )
    assert (status, made["Name"]) == (201, "Lab")
    for _ in range(2):
        status, found = await person.again(
            ADMINISTRATOR, "SMS_Collection", params={"$filter": "Name eq 'Lab'"}, scheme="Negotiate"
        )
        assert (status, len(found["value"])) == (200, 1)


@pytest.mark.proves("adminservice.forbidden")
async def test_an_account_that_is_no_administrator(console: Open) -> None:
    alice = await console()
    status, answer = await alice.shake_hands(ALICE, "SMS_Site")
    assert (status, answer["error"]["code"]) == (403, "NotAnAdministrator")
    assert "alice" in answer["error"]["message"]


@pytest.mark.proves("adminservice.wrong-password")
async def test_a_wrong_password(console: Open) -> None:
    person = await console()
    status, _ = await person.shake_hands((ADMINISTRATOR[0], "wrong"), "SMS_Site")
    assert status == 401
    assert (await person.ask("SMS_Site"))[0] == 401


@pytest.mark.proves("adminservice.bearer")
@pytest.mark.parametrize("secure", [False, True])
async def test_the_secret_opens_both_ports(site_server: SiteServer, secure: bool) -> None:
    trust = ssl.create_default_context(cafile=str(site_server.pki.authority_certificate()))
    role = site_server.settings.role
    url = f"{role.https_url if secure else role.url}/adminSERVICE/WMI/sms_site"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        for secret, expected in ((SECRET, 200), ("another", 401)):
            headers = {"Authorization": f"Bearer {secret}"}
            async with session.get(url, headers=headers) as reply:
                assert reply.status == expected


@pytest.mark.proves("adminservice.admin")
async def test_who_is_made_an_administrator_gets_in_and_out_again(console: Open) -> None:
    person, alice = await console(), await console()
    permissions = [
        {"CategoryID": "SMS00ALL", "CategoryTypeID": 29, "RoleID": "SMS0001R"},
        {"CategoryID": "SMS00001", "CategoryTypeID": 1, "RoleID": "SMS0001R"},
    ]
    body = {
        "LogonName": "LAB\\alice",
        "AdminSid": "S-1-5-21-1",
        "Permissions": permissions,
        "DisplayName": "a",
    }
    status, made = await person.shake_hands(ADMINISTRATOR, "SMS_Admin/", "POST", json=body)
    assert status == 201
    assert made["RoleNames"] == ["Full Administrator"]
    assert (made["CategoryNames"], made["CollectionNames"]) == (["All"], ["All Systems"])
    assert made["CreatedBy"] == "LAB\\administrator"
    assert (await alice.shake_hands(ALICE, "SMS_Site"))[0] == 200
    status, found = await alice.again(
        ALICE,
        "SMS_Admin",
        params={
            "$filter": "RoleNames/any(role: role eq 'Full Administrator')",
            "$select": "LogonName,RoleNames,CategoryNames",
        },
    )
    assert status == 200
    assert {one["LogonName"] for one in found["value"]} == {"LAB\\administrator", "LAB\\second", "LAB\\alice"}
    assert set(found["value"][0]) == {"LogonName", "RoleNames", "CategoryNames"}
    address = f"SMS_Admin({made['AdminID']})"
    async with person._session.delete(f"{person.url}/AdminService/wmi/{address}") as reply:
        assert reply.status == 204
    assert (await alice.again(ALICE, "SMS_Site"))[0] == 403


async def test_without_a_database_nobody_can_say(
    start_site_server: Callable[..., Awaitable[SiteServer]], wire: Wire, wire_dsn: str
) -> None:
    await wire.join()
    server = await start_site_server(dsn=wire_dsn)
    await until(lambda: server.database.fetchval("SELECT count(*) >= 2 FROM RBAC_Admins"))
    await wire.cut()
    for account in (ADMINISTRATOR, ALICE):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            person = Console(session, server.settings.role.url)
            status, answer = await person.shake_hands(account, "SMS_Site")
            assert (status, answer["error"]["code"]) == (500, "SiteDatabaseUnavailable")


async def test_no_credentials_reach_no_body(site_server: SiteServer, console: Open) -> None:
    """A body without credentials makes nothing, on v1.0 neither."""
    stranger = await console()
    status, _, _ = await stranger.ask("SMS_Collection", verb="POST", json={"Name": "X"})
    assert status == 401
    url = f"{stranger.url}/AdminService/v1.0/Device"
    async with stranger._session.get(url) as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "NTLM")
    assert await site_server.database.fetchval("SELECT count(*) FROM Collections") == 1
