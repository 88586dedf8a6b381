"""A real PostgreSQL for the tests, and a fresh site database for each test that wants one."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from emulator.addresses import free_port
from emulator.site_database.database import SiteDatabase
from emulator.site_database.schema import create_database, drop_database, ensure_schema
from emulator.site_database.server import PostgresServer
from fixtures.scratch import scratch_folder
from fixtures.shared_postgres import UNSYNCED

SITE_CODE = "S01"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One embedded PostgreSQL a test process; its ``smsdb`` is the empty site that tests clone.

    On an address of its own, so that nobody else picks its port while a test has it stopped. Not
    in a tmp_path: as root its processes run as another user, who may not pass through there.
    """
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-", dir=scratch_folder(1)))
    host = f"127.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250 + 1}.2"
    server = PostgresServer(folder / "site_database", host, free_port(host), UNSYNCED)

    async def open_template() -> None:
        await server.start()
        await ensure_schema(server.dsn(), site_code=SITE_CODE, site_name="Test site", server_name="SITESRV")

    async def close() -> None:
        await server.stop()

    try:
        asyncio.run(open_template())
        yield server
    finally:
        asyncio.run(close())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def site_dsn(postgres: PostgresServer) -> AsyncIterator[str]:
    """A site database of its own, by DSN."""
    name = f"test_{next(_numbers)}"
    await create_database(postgres.dsn("postgres"), name, template="smsdb")
    yield postgres.dsn(name)
    await drop_database(postgres.dsn("postgres"), name)


@pytest.fixture
async def site_database(site_dsn: str) -> AsyncIterator[SiteDatabase]:
    """A site database of its own, opened."""
    db = SiteDatabase(site_dsn, timeout=10.0, name="tests")  # patient: the machine may be busy
    await db.open()
    yield db
    await db.close()
