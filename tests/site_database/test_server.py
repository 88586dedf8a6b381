"""PostgreSQL as processes: what each way of being offline leaves, and that none is left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulator.addresses import free_port, own_hosts
from emulator.errors import CannotStart, FaultRefused, SiteDatabaseUnavailable
from emulator.site_database.database import SiteDatabase
from emulator.site_database.server import ExternalServer, PostgresServer
from emulator.site_database.supervisor import processes_in

(HOST,) = own_hosts(1)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """One server for the tests that stop and break it."""
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-"))
    server = PostgresServer(folder / "site_database", HOST, free_port(HOST))
    yield server
    asyncio.run(server.stop())
    assert processes_in(str(server.data / "pgdata")) == []
    shutil.rmtree(folder)


@pytest.fixture
async def server(own_server: PostgresServer) -> PostgresServer:
    """Running, whatever the test before did to it, and without what that wrote."""
    await own_server.start()
    async with opened(own_server) as db:
        await db.execute("DROP TABLE IF EXISTS kept")
    return own_server


async def write(server: PostgresServer, value: int) -> None:
    async with opened(server) as db:
        await db.execute("CREATE TABLE IF NOT EXISTS kept (value integer)")
        await db.execute("INSERT INTO kept VALUES ($1)", value)


async def kept(server: PostgresServer) -> list[int]:
    async with opened(server) as db:
        return [row["value"] for row in await db.fetch("SELECT value FROM kept ORDER BY value")]


class opened:
    def __init__(self, server: PostgresServer | ExternalServer, timeout: float = 30.0) -> None:
        self.db = SiteDatabase(server.dsn(), timeout=timeout)

    async def __aenter__(self) -> SiteDatabase:
        await self.db.open()
        return self.db

    async def __aexit__(self, *_: object) -> None:
        await self.db.close()


async def test_what_was_committed_survives_every_way_of_stopping(server: PostgresServer) -> None:
    await write(server, 1)
    await server.stop()
    assert server.pids() == []
    await server.start()
    await write(server, 2)
    server.kill()
    await server.start()
    assert await kept(server) == [1, 2]


async def test_another_object_goes_on_with_the_same_folder(server: PostgresServer) -> None:
    await write(server, 1)
    await server.stop()
    other = PostgresServer(server.data, server.host, server.port)
    await other.start()
    assert await kept(other) == [1]
    await other.stop()


async def test_processes_are_started_from_the_loops_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between fork and exec a child holds every open socket: meanwhile no role may come to open its port.
    threads: list[int] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            threads.append(threading.get_ident())
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    with tempfile.TemporaryDirectory(prefix="cmemu-tests-") as folder:
        server = PostgresServer(Path(folder) / "site_database", HOST, free_port(HOST))
        await server.start()
        await server.stop()
    assert threads == [threading.get_ident()] * 2  # initdb, and the supervisor


async def test_a_second_server_in_the_folder_is_refused(server: PostgresServer) -> None:
    with pytest.raises(CannotStart, match="runs there already"):
        await PostgresServer(server.data, server.host, free_port(HOST)).start()
    await write(server, 1)


async def test_killed_means_connections_are_refused(server: PostgresServer) -> None:
    async with opened(server) as db:
        await db.fetchval("SELECT 1")
        assert len(server.pids()) > 2
        server.kill()
        with pytest.raises(SiteDatabaseUnavailable):
            await db.fetchval("SELECT 1")  # over the session that was open, or a new one
        with pytest.raises(SiteDatabaseUnavailable, match="ConnectionRefused"):
            await db.fetchval("SELECT 1")


async def test_frozen_means_silence_and_thawed_means_as_before(server: PostgresServer) -> None:
    async with opened(server) as db:
        await db.fetchval("SELECT 1")
        patience, db.timeout = db.timeout, 0.3
        server.suspend()
        started = asyncio.get_running_loop().time()
        for _ in range(2):  # over a session that was open, and over a new one
            with pytest.raises(SiteDatabaseUnavailable):
                await db.fetchval("SELECT 1")
        assert asyncio.get_running_loop().time() - started < patience
        server.resume()
        db.timeout = patience
        assert await db.fetchval("SELECT 1") == 1


async def test_a_frozen_server_can_be_killed(server: PostgresServer) -> None:
    server.suspend()
    server.kill()
    assert processes_in(str(server.data / "pgdata")) == []
    await server.start()


async def test_a_frozen_server_can_be_stopped_in_order(server: PostgresServer) -> None:
    server.suspend()
    await server.stop()
    assert "database system is shut down" in server.log.read_text()


async def test_refusing_sessions_ends_the_open_ones(server: PostgresServer) -> None:
    async with opened(server) as db:
        await db.fetchval("SELECT 1")
        await server.refuse_sessions()
        with pytest.raises(SiteDatabaseUnavailable):
            await db.fetchval("SELECT 1")  # over the session that was ended, or a new one
        with pytest.raises(SiteDatabaseUnavailable, match="not currently accepting"):
            await db.fetchval("SELECT 1")
        await server.accept_sessions()
        assert await db.fetchval("SELECT 1") == 1


async def test_a_port_in_use_is_named(server: PostgresServer) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-"))
    try:
        with pytest.raises(CannotStart, match=rf"{HOST}:{server.port}.*could not bind"):
            await PostgresServer(folder, HOST, server.port).start()
    finally:
        shutil.rmtree(folder)


OWNER = """
import asyncio, json, os, sys
from pathlib import Path
from emulator.site_database.server import PostgresServer

async def main():
    server = PostgresServer(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    await server.start()
    server.suspend()
    print(json.dumps(server.pids()), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def alive(pid: int) -> bool:
    """Not counting the dead whom nobody has buried yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_nothing_outlives_a_killed_owner_even_frozen() -> None:
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-"))
    port = free_port(HOST)
    arguments = [sys.executable, "-c", OWNER, str(folder), HOST, str(port)]
    owner = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    assert owner.stdout
    pids = json.loads(await owner.stdout.readline())
    assert len(pids) > 2
    owner.kill()
    await owner.wait()
    # At once, while its supervisor may still be at work: the folder can be taken over.
    server = PostgresServer(folder, HOST, port)
    await server.start()
    assert not set(pids) & set(server.pids())
    assert not [pid for pid in pids if alive(pid)]
    await server.stop()
    shutil.rmtree(folder)


async def test_a_given_server_is_used_and_left_alone(server: PostgresServer) -> None:
    given = ExternalServer(server.dsn())
    await given.start()
    async with opened(given) as db:
        assert await db.fetchval("SELECT current_database()") == "smsdb"
    for touch in (given.kill, given.suspend, given.resume, given.pids):
        with pytest.raises(FaultRefused):
            touch()
    with pytest.raises(FaultRefused):
        await given.stop()
    await given.refuse_sessions()
    with pytest.raises(CannotStart, match="not currently accepting"):
        await given.start()
    await given.accept_sessions()
    await given.start()
