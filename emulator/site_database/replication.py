"""The database replica: what management points read, copied from the site database as it changes.

As in the product a replica is a database of its own that subscribes to the tables a management point
reads (there by transactional replication of SQL Server, here by PostgreSQL's logical replication). What
arrived stays readable when the site database is away; what is written meanwhile follows when it is back.
"""

from __future__ import annotations

import asyncio
from typing import Any

from emulator.site_database.database import SiteDatabase
from emulator.site_database.schema import connection, make_schema

PUBLICATION = "configmgr_mpreplica"
# Every table that a management point's queries read (queries/: MP_*).
TABLES = (
    "Sites",
    "SysResList",
    "System_DISC",
    "ClientKeyData",
    "SMSPackages",
    "PkgServers",
    "PkgStatus",
    "Policy",
    "PolicyAssignment",
    "ResPolicyMap",
)
# What the two servers have to be started with; the subscriber looks for a lost publisher this often.
PUBLISHER_SETTINGS = {"wal_level": "logical"}
SUBSCRIBER_SETTINGS = {"wal_retrieve_retry_interval": "200ms"}
LOOK_AGAIN = 0.01  # real seconds


async def publish(dsn: str) -> None:
    """Offer the site database's tables to replicas, once.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(dsn) as at:
        if not await at.fetchval("SELECT 1 FROM pg_publication WHERE pubname = $1", PUBLICATION):
            await at.execute(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {', '.join(TABLES)}")


async def subscribe(dsn: str, name: str, publisher: str) -> None:
    """Make the replica's tables and have them filled, once; returns when all that was there has come.

    ``publisher`` is the site database's DSN as the replica reaches it, ``name`` tells replicas apart there.

    Raises:
        SchemaVersionMismatch: the replica was made by another version.
        SiteDatabaseUnavailable: one of the servers does not answer.
    """
    async with connection(dsn) as at:
        await make_schema(at)
        if not await at.fetchval("SELECT 1 FROM pg_subscription WHERE subname = $1", name):
            await at.execute(f"CREATE SUBSCRIPTION {name} CONNECTION '{publisher}' PUBLICATION {PUBLICATION}")
        while not await _copied(at):  # noqa: ASYNC110 - another server works; it announces nothing
            await asyncio.sleep(LOOK_AGAIN)


async def _copied(at: Any) -> bool:
    return bool(await at.fetchval("SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel"))


async def caught_up(site_database: SiteDatabase, replicas: int) -> None:
    """Wait until every replica has applied what was committed before this was called.

    Raises:
        SiteDatabaseUnavailable: the site database does not say.
    """
    written = await site_database.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    while True:
        behind = await site_database.fetchval(
            "SELECT count(*) FILTER (WHERE replay_lsn >= $1::text::pg_lsn) < $2 FROM pg_stat_replication",
            written,
            replicas,
        )
        if not behind:
            return
        await asyncio.sleep(LOOK_AGAIN)
