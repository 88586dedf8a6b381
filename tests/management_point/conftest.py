"""A management point on a real socket and a real database, a client, and a site server's inboxes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from emulator.addresses import free_port, own_hosts
from emulator.clock import ClockSettings
from emulator.management_point.management_point import ManagementPoint
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_reply, encode_message
from emulator.protocol.names import new_guid
from emulator.protocol.policy import ReplyAssignments, RequestAssignments
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.report_batch import decode_batch
from emulator.protocol.report_file import SUFFIX, ReportFile
from emulator.protocol.signing import Signer, create_signer
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.server import PostgresServer

SECRET = "the site's secret"
NOW = datetime(2009, 6, 1, 8, tzinfo=UTC)
SPEED = 600.0  # the 30 seconds of mpfdm last 50 ms


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something outside to happen; fails after ten seconds."""
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return decode_reply(self.headers["Content-Type"], self.body)


class Inboxes:
    """A site server that only takes files; ``status`` is what it answers."""

    def __init__(self, host: str) -> None:
        self.host, self.port = host, free_port(host)
        self.status = 201
        self.taken: list[tuple[str, ReportFile]] = []
        self.unwanted = ""  # text of a report that is refused
        self.together: list[int] = []  # how many came in one request
        self.tries = 0
        self.authorizations: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def _put(self, request: web.Request) -> web.Response:
        self.tries += 1
        self.authorizations.add(request.headers["Authorization"])
        file = ReportFile.from_bytes(await request.read())
        if self.unwanted and self.unwanted in file.payload:
            return web.Response(status=400, text="it is unwanted\n")
        if self.status in (200, 201):
            self.taken.append((request.path, file))
        return web.Response(status=self.status, text="as the test says\n")

    async def _post(self, request: web.Request) -> web.Response:
        """Several at once: all, or none when one of them is ``unwanted``."""
        self.tries += 1
        self.authorizations.add(request.headers["Authorization"])
        files = [ReportFile.from_bytes(body) for _, body in decode_batch(await request.read())]
        if self.unwanted and any(self.unwanted in file.payload for file in files):
            return web.Response(status=400, text="one is unwanted\n")
        if self.status in (200, 201):
            self.together.append(len(files))
            self.taken += [(f"{request.path}/{file.key}{SUFFIX[file.kind]}", file) for file in files]
        return web.Response(status=self.status, text="as the test says\n")

    def payloads(self) -> list[str]:
        return [file.payload for _, file in self.taken]

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_put("/inboxes/{name:.*}", self._put)
        app.router.add_post("/inboxes/{name:.*}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None


class Database:
    """The site database of one test, which can be taken away and given back."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        parts = urlsplit(dsn)
        self.name = parts.path.lstrip("/")
        self._maintenance = urlunsplit(parts._replace(path="/postgres"))

    async def _administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._maintenance)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def away(self) -> None:
        await self._administer(
            f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false',
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'",
        )

    async def back(self) -> None:
        await self._administer(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')

    async def run(self, query: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *args))
        finally:
            await connection.close()

    async def assign(self, smsid: str, policy_id: str, version: str = "1.00", body: bytes = b"") -> None:
        """Publish a policy version and assign it to one client, as the policy provider does."""
        body = body or b"\xff\xfe" + f"<Policy PolicyID='{policy_id}'/>\r\n".encode("utf-16-le")
        await self.run(
            "INSERT INTO Policy (PolicyID, Version, PolicyCategory, PolicyHash, Body, SourceID)"
            " VALUES ($1, $2, 'SoftwareDistribution', 'SHA256:00', $3, 'S0120001')",
            policy_id,
            version,
            body,
        )
        await self.run(
            "INSERT INTO PolicyAssignment (PolicyAssignmentID, PolicyID, Version, LastUpdateTime)"
            " VALUES ('{' || gen_random_uuid() || '}', $1, $2, now())"
            " ON CONFLICT (PolicyID) DO UPDATE SET Version = excluded.Version",
            policy_id,
            version,
        )
        await self._change(smsid, policy_id, "false")

    async def withdraw(self, smsid: str, policy_id: str) -> None:
        await self._change(smsid, policy_id, "true")

    async def _change(self, smsid: str, policy_id: str, tombstoned: str) -> None:
        await self.run(
            "INSERT INTO ResPolicyMap (MachineID, PADBID, IsTombstoned)"
            f" SELECT k.MachineID, a.PADBID, {tombstoned} FROM ClientKeyData k, PolicyAssignment a"
            " WHERE k.SMSID = $1 AND a.PolicyID = $2"
            " ON CONFLICT (MachineID, PADBID) DO UPDATE"
            " SET IsTombstoned = excluded.IsTombstoned, ChangeNumber = nextval('PolicyChange')",
            smsid,
            policy_id,
        )


class Outage:
    """The database away in one of the ways of failure-table.md."""

    def __init__(self, postgres: PostgresServer, way: str) -> None:
        self._postgres, self._way = postgres, way

    async def begin(self, database: Database) -> None:
        match self._way:
            case "stopped":
                await self._postgres.stop()
            case "killed":
                await asyncio.to_thread(self._postgres.kill)
            case "hung":
                self._postgres.suspend()
            case "failing":
                await database.away()

    async def end(self, database: Database) -> None:
        match self._way:
            case "stopped" | "killed":
                await self._postgres.start()
            case "hung":
                self._postgres.resume()
            case "failing":
                await database.back()


class Lab:
    """One management point and what stands around it."""

    until = staticmethod(until)

    def __init__(self, data: Path, database: Database) -> None:
        self.database = database
        # Addresses of their own: nobody else picks their ports while they are closed.
        host, inboxes_host = own_hosts(2)
        self.inboxes = Inboxes(inboxes_host)
        address = RoleAddress(
            name="management_point",
            kind="management_point",
            computer="MP1",
            host=host,
            port=free_port(host),
        )
        site_server = RoleAddress(
            name="site_server",
            kind="site_server",
            computer="SITE",
            host=inboxes_host,
            port=self.inboxes.port,
        )
        self.settings = RoleSettings(
            role=address,
            site_code="S01",
            roles=(address, site_server),
            data=data,
            secret=SECRET,
            database=database.dsn,
            max_body=100_000,
            clock=ClockSettings(speed=SPEED),
        )
        self.role = ManagementPoint(self.settings)
        self.http = aiohttp.ClientSession(address.url)

    async def restart(self, role: type[ManagementPoint] = ManagementPoint, **settings: object) -> None:
        await self.role.stop()
        self.settings = self.settings.model_copy(update=settings)
        self.role = role(self.settings)
        await self.role.start()

    async def send(self, body: bytes, content_type: str = CONTENT_TYPE) -> Reply:
        headers = {"Content-Type": content_type}
        async with self.http.request("CCM_POST", "/ccm_system/request", data=body, headers=headers) as r:
            return Reply(r.status, r.headers, await r.read())

    async def get(self, path: str) -> Reply:
        async with self.http.get(path) as response:
            return Reply(response.status, response.headers, await response.read())

    def held(self, box: str) -> list[Path]:
        return sorted(p for p in (self.settings.data / "outboxes" / box).iterdir() if p.is_file())

    def nothing_held(self) -> bool:
        return not any(p for p in (self.settings.data / "outboxes").rglob("*") if p.is_file())


class Client:
    """The messages of one client computer, and nothing else of it."""

    def __init__(self, lab: Lab, name: str, signer: Signer) -> None:
        self.lab, self.name, self.signer = lab, name, signer
        self.rng = random.Random(name)
        self.smsid = ""

    def message(self, endpoint: str, body: str, **fields: Any) -> Message:
        return replace(
            Message(
                message_id=f"{{{new_guid(self.rng)}}}",
                source_id=self.smsid,
                source_host=self.name,
                target_endpoint=endpoint,
                body_text=body,
                sent_time="2009-06-01T08:00:00Z",
            ),
            **fields,
        )

    async def post(
        self, endpoint: str, body: str, *, signer: Signer | None = None, signed: bool = True, **fields: Any
    ) -> Reply:
        message = self.message(endpoint, body, **fields)
        return await self.lab.send(encode_message(message, (signer or self.signer) if signed else None))

    async def register(self) -> Reply:
        request = ClientRegistrationRequest(
            smsid=self.smsid,
            agent_version="4.00.6487.2000",
            timestamp="2009-06-01T08:00:00Z",
            signing=self.signer.certificate,
            encryption=self.signer.certificate,
            netbios_name=self.name,
            fqdn=f"{self.name.lower()}.lab.test",
        )
        reply = await self.post(
            "MP_ClientRegistration", request.to_xml(self.signer), signed=False, source_id=""
        )
        if reply.status == 200:
            self.smsid = ClientRegistrationResponse.from_xml(reply.text).smsid
        return reply

    def request(self, **fields: Any) -> RequestAssignments:
        return replace(
            RequestAssignments(
                client_id=self.smsid, fqdn="pc01.lab.test", netbios_name=self.name, site_code="S01"
            ),
            **fields,
        )

    async def ask_policy(self, **fields: Any) -> Reply:
        return await self.post("MP_PolicyManager", self.request(**fields).to_xml())

    async def assignments(self, **fields: Any) -> ReplyAssignments:
        reply = await self.ask_policy(**fields)
        assert reply.status == 200, reply.body
        return ReplyAssignments.from_xml(reply.text)


# Keys are slow to make: two for the whole session.
SIGNERS = [create_signer("ConfigMgr Client", NOW) for _ in range(2)]


@pytest.fixture
async def lab(tmp_path: Path, site_dsn: str) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path / "mp", Database(site_dsn))
    await lab.inboxes.start()
    await lab.role.start()
    yield lab
    await lab.http.close()
    await lab.role.stop()
    await lab.inboxes.stop()
    await lab.database.back()


@pytest.fixture
async def client(lab: Lab) -> Client:
    """Registered."""
    client = Client(lab, "PC01", SIGNERS[0])
    assert (await client.register()).status == 200
    return client


@pytest.fixture(params=["stopped", "killed", "hung", "failing"])
async def outage(request: pytest.FixtureRequest, postgres: PostgresServer, lab: Lab) -> AsyncIterator[Outage]:
    outage = Outage(postgres, request.param)
    yield outage
    await outage.end(lab.database)


@pytest.fixture
def stranger(lab: Lab) -> Client:
    """Not registered."""
    return Client(lab, "PC02", SIGNERS[1])


@pytest.fixture
async def closed(lab: Any) -> Any:
    """Nothing leaves the outboxes, so nothing can be stored unseen."""
    await lab.inboxes.stop()
    return lab
