"""A session that had been let in, and is not listed yet, when the rules change: it is ended as the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from emulator.site_database.disturbance import set_read_only
from emulator.site_database.server import ExternalServer, PostgresServer
from emulator.site_database.sessions import end_sessions

LET_IN = "SELECT count(*) FROM pg_locks WHERE classid = 'pg_database'::regclass AND mode = 'RowExclusiveLock'"
ENDED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
CHANGE = "UPDATE Collections SET Comment = 'changed'"
Deed = Callable[[str], Awaitable[object]]


@pytest.fixture
async def root(postgres: PostgresServer) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def beginning(site_dsn: str, root: Any) -> asyncio.Task[Any]:
    """On its way in: PostgreSQL has checked it, and rests before it goes on (post_auth_delay, in seconds)."""
    slow = {"post_auth_delay": "3"}
    coming = asyncio.create_task(asyncpg.connect(site_dsn, server_settings=slow))
    while not await root.fetchval(LET_IN):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)
    return coming


async def refuse(dsn: str) -> object:
    return await ExternalServer(dsn).refuse_sessions()


async def read_only(dsn: str) -> object:
    return await set_read_only(dsn, read_only=True)


@pytest.mark.parametrize("deed", [refuse, read_only])
async def test_rules_that_change_meanwhile(deed: Deed, beginning: asyncio.Task[Any], site_dsn: str) -> None:
    await deed(site_dsn)
    try:
        with pytest.raises(ENDED):
            await (await beginning).execute(CHANGE)
    finally:
        await ExternalServer(site_dsn).accept_sessions()
        await set_read_only(site_dsn, read_only=False)


async def test_who_is_counted(beginning: asyncio.Task[Any], root: Any, site_dsn: str) -> None:
    database = site_dsn.rpartition("/")[2].partition("?")[0]
    there = await asyncpg.connect(site_dsn)
    assert await end_sessions(root, database) == 2
    with pytest.raises(ENDED):
        await (await beginning).execute(CHANGE)
    with pytest.raises(ENDED):
        await there.execute(CHANGE)
    assert await end_sessions(root, database) == 0
