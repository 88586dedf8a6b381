"""The way to the database: outages are translated, everything else passes as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database.database import QUERIES, SiteDatabase, UniqueViolation, load_queries

INSERT = "INSERT INTO Collections (CollectionID, Name) VALUES ($1, $1)"
COUNT = "SELECT count(*) FROM Collections WHERE CollectionID LIKE 'T%'"


async def test_a_transaction_is_all_or_nothing(site_database: SiteDatabase) -> None:
    async def fail() -> None:
        async with site_database.transaction() as session:
            await session.execute(INSERT, "T1")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await site_database.fetchval(COUNT) == 0
    async with site_database.transaction() as session:
        await session.execute(INSERT, "T1")
    assert await site_database.fetchval(COUNT) == 1


async def test_what_the_caller_does_is_no_outage(site_database: SiteDatabase) -> None:
    with pytest.raises(FileNotFoundError):
        async with site_database.transaction():
            Path("/nowhere/at/all").read_bytes()


async def test_a_value_that_does_not_fit_is_no_outage(site_database: SiteDatabase) -> None:
    with pytest.raises(asyncpg.DataError, match="invalid input"):
        await site_database.fetchval("SELECT $1::integer", "seven")


async def test_a_broken_rule_keeps_its_name(site_database: SiteDatabase) -> None:
    with pytest.raises(UniqueViolation):
        await site_database.execute(INSERT, "SMS00001")


async def test_a_session_lost_in_a_transaction(site_database: SiteDatabase) -> None:
    async def lose() -> None:
        async with site_database.transaction() as session:
            await session.execute(INSERT, "T1")
            await session.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(SiteDatabaseUnavailable):
        await lose()
    assert await site_database.fetchval(COUNT) == 0


async def test_a_slow_answer_is_an_outage_and_the_next_question_is_answered(site_dsn: str) -> None:
    db = SiteDatabase(site_dsn, timeout=30.0, max_size=1)
    await db.open()
    patience, db.timeout = db.timeout, 0.2
    with pytest.raises(SiteDatabaseUnavailable, match="TimeoutError"):
        await db.fetchval("SELECT pg_sleep(60)")
    db.timeout = patience
    assert await db.fetchval("SELECT 1") == 1
    await db.close()


async def test_a_cancelled_question_holds_nobody_up(site_dsn: str) -> None:
    db = SiteDatabase(site_dsn, max_size=1)
    await db.open()
    task = asyncio.create_task(db.fetchval("SELECT pg_sleep(1)"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await db.fetchval("SELECT 1") == 1
    await db.close()


async def test_opening_needs_no_server() -> None:
    db = SiteDatabase("postgresql://postgres@127.77.0.9:1/smsdb")
    await db.open()
    with pytest.raises(SiteDatabaseUnavailable):
        await db.fetchval("SELECT 1")
    await db.close()
    with pytest.raises(SiteDatabaseUnavailable, match="closed"):
        await db.fetchval("SELECT 1")


def test_two_queries_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- one --\nSELECT 1\n")
    (tmp_path / "b.sql").write_text("-- one --\nSELECT 2\n")
    with pytest.raises(ValueError, match=r"b\.sql: the query 'one'"):
        load_queries(tmp_path)


async def test_every_query_fits_the_schema(site_database: SiteDatabase) -> None:
    wrong = {}
    async with site_database.transaction() as session:
        for name, query in QUERIES.items():
            await session.execute("SAVEPOINT before")
            try:
                await session._connection.prepare(query)
            except asyncpg.PostgresError as exc:
                wrong[name] = str(exc)
                await session.execute("ROLLBACK TO before")
    assert wrong == {}
