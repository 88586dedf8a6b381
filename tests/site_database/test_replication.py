"""A replica has what a management point reads, also while the site database is away."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.addresses import free_port, own_hosts
from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database import locations, replication, site
from emulator.site_database.database import QUERIES, SiteDatabase
from emulator.site_database.schema import ensure_schema
from emulator.site_database.server import PostgresServer


class Pair:
    """A site database and its replica."""

    def __init__(self, folder: Path) -> None:
        hosts = own_hosts(2)
        publisher, subscriber = replication.PUBLISHER_SETTINGS, replication.SUBSCRIBER_SETTINGS
        self.primary = PostgresServer(folder / "primary", hosts[0], free_port(hosts[0]), publisher)
        self.replica = PostgresServer(folder / "replica", hosts[1], free_port(hosts[1]), subscriber)
        self.written = SiteDatabase(self.primary.dsn(), timeout=10.0)
        self.read = SiteDatabase(self.replica.dsn(), timeout=10.0)

    async def start(self) -> None:
        for server in (self.primary, self.replica):
            await server.start()
        await ensure_schema(self.primary.dsn(), site_code="S01", site_name="Here", server_name="SITESRV")
        await replication.publish(self.primary.dsn())
        await replication.subscribe(self.replica.dsn(), "replica", self.primary.dsn())
        for database in (self.written, self.read):
            await database.open()

    async def stop(self) -> None:
        for database in (self.written, self.read):
            await database.close()
        for server in (self.replica, self.primary):
            await server.stop()

    async def killed(self) -> None:
        self.primary.kill()

    async def rename(self, name: str) -> None:
        await self.written.execute("UPDATE Sites SET SiteName = $1", name)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    folder = Path(tempfile.mkdtemp(prefix="cmemu-tests-"))
    made = Pair(folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def test_what_was_replicated_stays_readable_and_what_was_missed_follows(pair: Pair) -> None:
    """Stopped, killed and refusing sessions: the replica never notices more than silence."""
    outages = (
        (pair.primary.stop, pair.primary.start),
        (pair.killed, pair.primary.start),
        (pair.primary.refuse_sessions, pair.primary.accept_sessions),
    )
    for number, (goes, comes_back) in enumerate(outages):
        await pair.rename(f"name {number}")
        await replication.caught_up(pair.written, 1)
        await goes()
        with pytest.raises(SiteDatabaseUnavailable):
            await site.site_info(pair.written, "S01")
        assert (await site.site_info(pair.read, "S01")).name == f"name {number}"
        assert await locations.distribution_points(pair.read, "S01") == []
        await comes_back()
    # The other way round: what is written while the replica is away is there when it comes back.
    await pair.replica.stop()
    await pair.rename("written meanwhile")
    await pair.replica.start()
    await replication.caught_up(pair.written, 1)
    assert (await site.site_info(pair.read, "S01")).name == "written meanwhile"
    # Made once: subscribing again to what there is already changes nothing.
    await replication.publish(pair.primary.dsn())
    await replication.subscribe(pair.replica.dsn(), "replica", pair.primary.dsn())


def test_every_table_that_a_management_point_reads_is_replicated() -> None:
    queries = [text for name, text in QUERIES.items() if name.startswith("MP_")]
    assert len(queries) >= 8
    read = {
        table
        for text in queries
        for table in re.findall(r"(?:FROM|JOIN) \(?\s*(?!SELECT|LATERAL)([A-Z]\w+)", text)
    }
    assert read == set(replication.TABLES)
