from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from emulator.errors import CannotStart, SchemaVersionMismatch, SiteDatabaseUnavailable
from emulator.site_database.database import SiteDatabase
from emulator.site_database.schema import (
    SCHEMA_VERSION,
    connection,
    create_database,
    database_exists,
    drop_database,
    ensure_schema,
    renew_database,
    replace_database,
)
from emulator.site_database.server import PostgresServer

SITE = {"site_code": "S01", "site_name": "Test site", "server_name": "SITESRV"}


async def test_a_schema_is_made_once_whoever_asks(postgres: PostgresServer) -> None:
    admin = postgres.dsn("postgres")
    await create_database(admin, "fresh")
    try:
        await asyncio.gather(*(ensure_schema(postgres.dsn("fresh"), **SITE) for _ in range(3)))
        db = SiteDatabase(postgres.dsn("fresh"))
        await db.open()
        assert await db.fetchval("SELECT array_agg(Version) FROM SchemaVersion") == [SCHEMA_VERSION]
        assert await db.fetchval("SELECT SiteName FROM v_Site WHERE SiteCode = 'S01'") == "Test site"
        await db.close()
    finally:
        await drop_database(admin, "fresh")


async def test_another_version_is_refused(site_dsn: str, site_database: SiteDatabase) -> None:
    await site_database.execute("UPDATE SchemaVersion SET Version = 99")
    with pytest.raises(SchemaVersionMismatch, match="version 99"):
        await ensure_schema(site_dsn, **SITE)


async def test_another_site_is_refused(site_dsn: str) -> None:
    with pytest.raises(CannotStart, match="belongs to site S01, not S02"):
        await ensure_schema(site_dsn, **(SITE | {"site_code": "S02"}))


async def test_somebody_elses_tables_are_left_alone(postgres: PostgresServer) -> None:
    admin = postgres.dsn("postgres")
    await create_database(admin, "theirs")
    db = SiteDatabase(postgres.dsn("theirs"))
    await db.open()
    try:
        await db.execute("CREATE TABLE invoices (number integer)")
        with pytest.raises(SchemaVersionMismatch, match="1 tables that are no site database's"):
            await ensure_schema(postgres.dsn("theirs"), **SITE)
    finally:
        await db.close()
        await drop_database(admin, "theirs")


async def test_a_missing_database_and_a_missing_server_are_told_apart(postgres: PostgresServer) -> None:
    with pytest.raises(CannotStart, match="create it first"):
        await ensure_schema(postgres.dsn("nowhere"), **SITE)
    with pytest.raises(SiteDatabaseUnavailable):
        await ensure_schema("postgresql://postgres@127.77.0.9:1/smsdb", **SITE)


async def test_without_a_template_nothing_is_renewed(postgres: PostgresServer, site_dsn: str) -> None:
    admin, name = postgres.dsn("postgres"), urlsplit(site_dsn).path.lstrip("/")
    assert not await renew_database(admin, name, "no_such_template")
    assert await database_exists(admin, name)
    async with connection(site_dsn) as at:
        await at.execute("CREATE TABLE left_over ()")
    assert await renew_database(admin, name, "smsdb")
    async with connection(site_dsn) as at:
        assert await at.fetchval("SELECT to_regclass('left_over')") is None
        assert await at.fetchval("SELECT Version FROM SchemaVersion") == SCHEMA_VERSION


async def test_a_database_is_replaced_under_those_who_use_it(postgres: PostgresServer, site_dsn: str) -> None:
    admin, name = postgres.dsn("postgres"), urlsplit(site_dsn).path.lstrip("/")

    async def use_while_replaced() -> None:
        async with connection(site_dsn) as user:
            await replace_database(admin, name, "successor", "was")
            await user.fetchval("SELECT 1")

    await create_database(admin, "successor", template="smsdb")
    async with connection(postgres.dsn("successor")) as at:
        await at.execute("UPDATE SchemaVersion SET Version = 999")
    try:
        with pytest.raises(SiteDatabaseUnavailable, match="was lost"):
            await use_while_replaced()
        async with connection(site_dsn) as at:
            assert await at.fetchval("SELECT Version FROM SchemaVersion") == 999
    finally:
        await drop_database(admin, "was")
        await drop_database(admin, "successor")


async def test_a_database_without_successor_stays_and_takes_sessions(
    postgres: PostgresServer, site_dsn: str
) -> None:
    name = urlsplit(site_dsn).path.lstrip("/")
    with pytest.raises(Exception, match="nobody"):
        await replace_database(postgres.dsn("postgres"), name, "nobody", "was")
    async with connection(site_dsn) as at:
        assert await at.fetchval("SELECT Version FROM SchemaVersion") == SCHEMA_VERSION
