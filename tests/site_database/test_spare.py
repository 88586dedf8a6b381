"""A copy that lies ready: the right one, whole, and made again when it could not be made."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.addresses import free_port, own_hosts
from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database.schema import connection, create_database, drop_database
from emulator.site_database.server import DATABASE, PostgresServer
from emulator.site_database.spare import SpareDatabase
from fixtures.shared_postgres import UNSYNCED

KEPT = ("kept_one", "kept_two")


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-"))
    (host,) = own_hosts(1)
    server = PostgresServer(folder / "site_database", host, free_port(host), UNSYNCED)
    yield server
    asyncio.run(server.stop())
    shutil.rmtree(folder)


@pytest.fixture
async def server(own_server: PostgresServer) -> PostgresServer:
    """Running, with the databases to go back to; which one is in use, the word in it says."""
    await own_server.start()
    admin = own_server.dsn("postgres")
    for name in (DATABASE, *KEPT):
        await drop_database(admin, name)
        await create_database(admin, name)
        async with connection(own_server.dsn(name)) as at:
            await at.execute(f"CREATE TABLE word AS SELECT '{name}' AS word")
    return own_server


@pytest.fixture
async def spare(server: PostgresServer) -> AsyncIterator[SpareDatabase]:
    spare = SpareDatabase(server.dsn("postgres"), DATABASE)
    yield spare
    await spare.close()


async def in_use(server: PostgresServer) -> str:
    async with connection(server.dsn()) as at:
        return str(await at.fetchval("SELECT word FROM word"))


async def databases(server: PostgresServer) -> set[str]:
    async with connection(server.dsn("postgres")) as at:
        rows: list[Any] = await at.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", "smsdb%")
        return {row["datname"] for row in rows}


async def test_a_copy_laid_out_before_takes_the_place(server: PostgresServer, spare: SpareDatabase) -> None:
    spare.prepare("kept_one")
    await spare.settled()
    assert "smsdb_fresh" in await databases(server)
    await drop_database(server.dsn("postgres"), "kept_one")  # nothing is copied any more
    await spare.put_in_place("kept_one")
    assert await in_use(server) == "kept_one"


async def test_without_one_it_is_made_when_it_is_needed(server: PostgresServer, spare: SpareDatabase) -> None:
    for kept in ("kept_one", "kept_two", "kept_two"):
        await spare.put_in_place(kept)
        assert await in_use(server) == kept


async def test_a_copy_of_another_one_is_not_taken(server: PostgresServer, spare: SpareDatabase) -> None:
    spare.prepare("kept_one")
    await spare.put_in_place("kept_two")
    assert await in_use(server) == "kept_two"


async def test_what_was_replaced_goes_with_the_next_copy(
    server: PostgresServer, spare: SpareDatabase
) -> None:
    await spare.put_in_place("kept_one")
    assert await databases(server) == {"smsdb", "smsdb_old"}
    spare.prepare("kept_one")
    await spare.settled()
    assert await databases(server) == {"smsdb", "smsdb_fresh"}


async def test_a_copy_that_failed_is_made_again(server: PostgresServer, spare: SpareDatabase) -> None:
    server.kill()
    spare.prepare("kept_one")
    await spare.settled()
    with pytest.raises(SiteDatabaseUnavailable):
        await spare.put_in_place("kept_one")
    await server.start()
    assert await in_use(server) == DATABASE
    await spare.put_in_place("kept_one")
    assert await in_use(server) == "kept_one"


async def test_a_copy_that_somebody_removed_is_made_again(
    server: PostgresServer, spare: SpareDatabase
) -> None:
    spare.prepare("kept_one")
    await spare.settled()
    await drop_database(server.dsn("postgres"), "smsdb_fresh")
    with pytest.raises(Exception, match="smsdb_fresh"):
        await spare.put_in_place("kept_one")
    assert await in_use(server) == DATABASE
    await spare.put_in_place("kept_one")
    assert await in_use(server) == "kept_one"


async def test_what_is_forgotten_is_not_taken(server: PostgresServer, spare: SpareDatabase) -> None:
    spare.prepare("kept_one")
    await spare.forget("kept_two")
    await spare.forget("kept_one")
    assert await databases(server) == {"smsdb"}
    async with connection(server.dsn("kept_one")) as at:
        await at.execute("UPDATE word SET word = 'another of this name'")
    await spare.put_in_place("kept_one")
    assert await in_use(server) == "another of this name"


async def test_closing_waits_for_nobody_who_is_frozen(server: PostgresServer, spare: SpareDatabase) -> None:
    server.suspend()
    spare.prepare("kept_one")
    await spare.close()
    server.resume()
    assert await in_use(server) == DATABASE


async def test_who_gives_up_waiting_leaves_the_copy(server: PostgresServer, spare: SpareDatabase) -> None:
    waiting = asyncio.create_task(spare.put_in_place("kept_one"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await spare.settled()
    assert await in_use(server) == DATABASE
    await spare.put_in_place("kept_one")
    assert await in_use(server) == "kept_one"
