"""An administrator, distribution points that are not real, and a few short words for the tests."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import aiohttp
from aiohttp import web

from emulator.addresses import own_hosts
from emulator.protocol.content import package_hash
from emulator.protocol.names import nal_path
from emulator.security import User
from emulator.settings import RoleAddress
from emulator.site_database.database import SiteDatabase

(HOST,) = own_hosts(1)  # nobody else picks its ports while they are closed
SECRET = "let me in"
USERS = (
    User(name="LAB\\administrator", password="Administrator-1", administrator=True),
    User(name="LAB\\second", password="Second-1", administrator=True),
    User(name="LAB\\alice", password="Alice-1"),
    User(name="LAB\\PC1$", password="Machine-1"),
)


class Administrator:
    """Speaks to the SMS Provider and shows what came back."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(self, verb: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        options: dict[str, Any] = {} if body is None else {"json": body}
        url = f"{self.url}/AdminService/wmi/{path}"
        async with self._session.request(verb, url, params=query, **options) as response:
            text = await response.text()
            json_body = response.content_type == "application/json"
            return response.status, await response.json() if json_body else text

    async def new(self, class_name: str, **values: Any) -> dict[str, Any]:
        status, made = await self.ask("POST", class_name, values)
        assert status == 201, made
        return dict(made)

    async def one(self, address: str) -> dict[str, Any]:
        """The object of this key: the answer is a list of one."""
        status, answer = await self.ask("GET", address)
        assert status == 200, answer
        (found,) = answer["value"]
        return dict(found)

    async def all(self, class_name: str, **query: str) -> list[dict[str, Any]]:
        options = {f"${name}": value for name, value in query.items()}
        status, answer = await self.ask("GET", class_name, **options)
        assert status == 200, answer
        return list(answer["value"])


class FakeDistributionPoint:
    """Takes packages as the real one does, and can be told to refuse."""

    def __init__(self, address: RoleAddress) -> None:
        self.address = address
        self.packages: dict[str, dict[str, bytes]] = {}
        self.refuses_with: int | None = None
        self.requests: list[tuple[str, str, int]] = []
        self.gate: asyncio.Event | None = None  # when set, requests wait for it
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/SMSPKG/{name}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address.host, self.address.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        if self.gate:
            await self.gate.wait()
        body = await request.read()
        status = self.refuses_with or self._act(request, request.match_info["name"], body)
        self.requests.append((request.method, request.match_info["name"], status))
        return web.Response(status=status)

    def _act(self, request: web.Request, name: str, body: bytes) -> int:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401
        if request.method == "DELETE":
            return 204 if self.packages.pop(name, None) is not None else 404
        files = read_tar(body)
        if request.headers["X-Package-Hash"] != hash_of(files):
            return 422
        self.packages[name] = files
        return 201


def read_tar(body: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}  # type: ignore[union-attr]


def hash_of(files: dict[str, bytes]) -> str:
    return package_hash((name, len(data), sha256(data).hexdigest()) for name, data in files.items())


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Wait until the condition holds, and return what it said."""
    async with asyncio.timeout(seconds):
        while not (seen := await condition()):  # noqa: ASYNC110 - the database is not an event
            await asyncio.sleep(0.02)
    return seen


async def add_system(db: SiteDatabase, name: str, **columns: object) -> int:
    """A discovered computer; returns its ResourceID."""
    values = {"Name0": name, "Netbios_Name0": name, **columns}
    places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
    resource = await db.fetchval(
        f"INSERT INTO System_DISC ({', '.join(values)}, Creation_Date0)"
        f" VALUES ({places}, now()) RETURNING ItemKey",
        *values.values(),
    )
    return int(resource)


def dp_nal(number: int) -> str:
    return nal_path(f"DP{number}", "S01")


class Wire:
    """The way to the database, which can be cut: a TCP relay on a port of its own."""

    def __init__(self, host: str, port: int, own_port: int) -> None:
        self._target = (host, port)
        self.port = own_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._relay, HOST, self.port)

    async def cut(self) -> None:
        if self._server:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, other_writer}

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.transport.abort()

        await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))
        self._writers -= {writer, other_writer}
