"""What arrays consist of is asked once a process, and arrays mean what they mean in any session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from emulator.site_database import informed_connection
from emulator.site_database.informed_connection import InformedConnection

QUERY = (
    "SELECT $1::bigint[] AS numbers, $2::int[] AS small, $3::timestamptz[] AS times, $4::boolean[] AS words"
)
ARRAYS: dict[str, list[Any]] = {
    "numbers": [1, 2**40],
    "small": [-1],
    "times": [datetime(2009, 6, 1, 8, tzinfo=UTC)],
    "words": [True, False],
}


@asynccontextmanager
async def session(dsn: str) -> AsyncIterator[tuple[asyncpg.Connection, list[str]]]:
    """A new session, and the statements that are sent in it."""
    connection = await asyncpg.connect(dsn, connection_class=InformedConnection)
    sent: list[str] = []
    connection.add_query_logger(lambda record: sent.append(record.query))
    try:
        yield connection, sent
    finally:
        await connection.close()


async def test_the_second_session_does_not_ask(site_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informed_connection, "_answers", {})
    for asked in (True, False):
        async with session(site_dsn) as (connection, sent):
            assert dict(await connection.fetchrow(QUERY, *ARRAYS.values()) or {}) == ARRAYS
            assert any("typeinfo" in query for query in sent) == asked
            assert dict(await connection.fetchrow(QUERY, *ARRAYS.values()) or {}) == ARRAYS


async def test_types_that_a_database_made_are_asked_for(site_dsn: str) -> None:
    async with session(site_dsn) as (connection, _):
        await connection.execute("CREATE TYPE mood AS ENUM ('well', 'ill')")
    for _ in range(2):
        async with session(site_dsn) as (connection, sent):
            row = await connection.fetchrow("SELECT $1::mood[] AS moods, $2::int[] AS small", ["ill"], [1])
            assert dict(row or {}) == {"moods": ["ill"], "small": [1]}
            assert any("typeinfo" in query for query in sent)
