"""A site database without a connection left: not one, whoever came and went while they were taken."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from emulator.addresses import free_port, own_hosts
from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database import disturbance
from emulator.site_database.database import SiteDatabase
from emulator.site_database.disturbance import HeldSessions
from emulator.site_database.server import DATABASE, MAINTENANCE, PostgresServer

PLACES = 12


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A small one for this file."""
    (host,) = own_hosts(1)
    with tempfile.TemporaryDirectory(prefix="cmemu-tests-") as folder:
        settings = {"max_connections": str(PLACES)}
        server = PostgresServer(Path(folder) / "site_database", host, free_port(host), settings)
        yield server
        asyncio.run(server.stop())


@pytest.fixture
async def server(own_server: PostgresServer) -> PostgresServer:
    """Running."""
    await own_server.start()
    return own_server


@asynccontextmanager
async def opened(server: PostgresServer) -> AsyncIterator[SiteDatabase]:
    database = SiteDatabase(server.dsn())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_every_place_is_taken_although_one_was_refused_early(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who is being turned away has a place for a moment; nobody sees him, and it is free again."""
    connect, refusals = disturbance._connect, [5, 7]

    async def refused_now_and_then(dsn: str) -> Any:
        if refusals and len(held._held) == refusals[0]:
            raise asyncpg.TooManyConnectionsError(f"refused at {refusals.pop(0)}")
        return await connect(dsn)

    monkeypatch.setattr(disturbance, "_connect", refused_now_and_then)
    held = HeldSessions(server.dsn(MAINTENANCE), DATABASE)
    assert await held.take() == PLACES
    assert refusals == []
    async with opened(server) as database:
        with pytest.raises(SiteDatabaseUnavailable, match="too many clients"):
            await database.fetchval("SELECT 1")
        await held.release()
        assert await database.fetchval("SELECT 1") == 1


async def test_who_may_not_have_them_all_is_told(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's places that never become free: nothing is held afterwards, and others are let in."""
    monkeypatch.setattr(disturbance, "TAKING", 0.1)
    monkeypatch.setattr(disturbance, "_PLACES", f"SELECT {PLACES + 1}")
    held = HeldSessions(server.dsn(MAINTENANCE), DATABASE)
    with pytest.raises(SiteDatabaseUnavailable, match=f"only {PLACES} of PostgreSQL's {PLACES + 1} conn"):
        await held.take()
    assert held._held == []
    async with opened(server) as database:
        assert await database.fetchval("SELECT 1") == 1


async def test_an_account_that_is_no_superuser_takes_what_it_may(server: PostgresServer) -> None:
    """Three places are kept for superusers."""
    root = await asyncpg.connect(server.dsn(MAINTENANCE))
    try:
        await root.execute("CREATE ROLE lab LOGIN; GRANT pg_signal_backend TO lab")
        await root.execute(f"ALTER DATABASE {DATABASE} OWNER TO lab")
    finally:
        await root.close()
    held = HeldSessions(server.dsn(MAINTENANCE).replace("postgres@", "lab@"), DATABASE)
    assert await held.take() == PLACES - 3
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await asyncpg.connect(server.dsn().replace("postgres@", "lab@"))
    await held.release()


async def test_all_of_them_are_all_of_them_however_long_it_took(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = disturbance._connect

    async def late(dsn: str) -> Any:
        session = await connect(dsn)
        if len(held._held) == PLACES - 1:
            monkeypatch.setattr(disturbance, "TAKING", -1.0)
        return session

    monkeypatch.setattr(disturbance, "_connect", late)
    held = HeldSessions(server.dsn(MAINTENANCE), DATABASE)
    assert await held.take() == PLACES
    await held.release()
