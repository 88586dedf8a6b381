"""Makes the tables of an empty site database, and refuses one made by another version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from emulator.errors import CannotStart, SchemaVersionMismatch, SiteDatabaseUnavailable
from emulator.site_database.database import OUTAGE
from emulator.site_database.sessions import BEGINNING, OPEN, end_sessions

SCHEMA_VERSION = 5
SCHEMA = Path(__file__).with_name("schema.sql")
TIMEOUT = 30.0  # real seconds; other people's servers may be slow to make eighty objects
LOCK = 0x534D53  # one maker at a time


async def ensure_schema(dsn: str, *, site_code: str, site_name: str, server_name: str) -> None:
    """Make the schema in an empty database and enter the site; check both in one made before.

    Raises:
        SchemaVersionMismatch: it was made by another version, or holds something else.
        CannotStart: it belongs to another site, or there is no such database.
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(dsn) as at, at.transaction():
        await make_schema(at)
        await _enter_site(at, site_code, site_name, server_name)


async def make_schema(at: Any) -> None:
    """Make the tables where there are none.

    Raises:
        SchemaVersionMismatch: they were made by another version, or there is something else.
    """
    async with at.transaction():
        await at.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        if await at.fetchval("SELECT to_regclass('schemaversion')") is None:
            await _make(at)
        version = await at.fetchval("SELECT Version FROM SchemaVersion")
    if version != SCHEMA_VERSION:
        raise SchemaVersionMismatch(
            f"the site database has schema version {version}, this program needs {SCHEMA_VERSION}; "
            "use the program that made it, or an empty database"
        )


async def create_database(admin_dsn: str, name: str, template: str | None = None) -> None:
    """Make a database; as a copy of ``template`` (about 40 ms), whose sessions are ended.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(admin_dsn) as at:
        # Copying files needs two checkpoints, which a busy server takes long for; the log does not.
        copied = f' TEMPLATE "{template}" STRATEGY wal_log' if template else ""
        if template:
            await end_sessions(at, template)
        await at.execute(f'CREATE DATABASE "{name}"{copied}')


async def drop_database(admin_dsn: str, name: str) -> None:
    """Remove a database and end the sessions that are in it.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(admin_dsn) as at:
        await at.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def renew_database(admin_dsn: str, name: str, template: str) -> bool:
    """Put a copy of ``template`` in a database's place, with nothing left of what it was or was set to.

    For servers that do not wait for the disk: there copying files is the quicker way. False: there is no such
    template, and nothing has changed.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(admin_dsn) as at:
        if not await _exists(at, template):
            return False
        await at.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await at.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return True


async def replace_database(admin_dsn: str, name: str, successor: str, old_name: str) -> None:
    """Give ``successor`` the place and name of a database, which is ``old_name`` then; both or neither.

    The sessions of the database are ended; who comes meanwhile waits, and finds no such database then.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(admin_dsn) as at:
        # One message, so that nobody finds the time to come back between the end of sessions and the lock
        # of the renaming; and one transaction, which a server that dies in it undoes.
        ending = "; ".join(query.replace("$1", f"'{name}'") for query in (BEGINNING, OPEN))
        await at.execute(
            f"BEGIN; {ending}; "
            f'ALTER DATABASE "{name}" RENAME TO "{old_name}"; '
            f'ALTER DATABASE "{successor}" RENAME TO "{name}"; COMMIT'
        )


async def database_exists(admin_dsn: str, name: str) -> bool:
    """Whether there is a database of this name.

    Raises:
        SiteDatabaseUnavailable: the server does not answer.
    """
    async with connection(admin_dsn) as at:
        return await _exists(at, name)


async def _exists(at: Any, name: str) -> bool:
    return bool(await at.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))


async def _make(at: Any) -> None:
    others = await at.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    if others:
        raise SchemaVersionMismatch(
            f"the database holds {others} tables that are no site database's; use an empty one"
        )
    await at.execute(SCHEMA.read_text(encoding="utf-8"))


async def _enter_site(at: Any, site_code: str, site_name: str, server_name: str) -> None:
    entered = await at.fetchval("SELECT SiteCode FROM Sites LIMIT 1")
    if entered not in (None, site_code):
        raise CannotStart(f"the site database belongs to site {entered}, not {site_code}")
    await at.execute(
        "INSERT INTO Sites (SiteCode, SiteName, ServerName) VALUES ($1, $2, $3)"
        " ON CONFLICT (SiteCode)"
        " DO UPDATE SET SiteName = excluded.SiteName, ServerName = excluded.ServerName",
        site_code,
        site_name,
        server_name,
    )


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator[Any]:
    """One session, for what is done once.

    Raises:
        SiteDatabaseUnavailable: the server does not answer, or was lost.
        CannotStart: there is no such database.
    """
    try:
        at: Any = await asyncpg.connect(dsn, timeout=TIMEOUT, command_timeout=TIMEOUT)
    except OUTAGE as exc:
        raise SiteDatabaseUnavailable(
            f"the site database cannot be reached ({type(exc).__name__}: {exc})"
        ) from exc
    except asyncpg.InvalidCatalogNameError as exc:
        raise CannotStart(f"{exc}; create it first") from exc
    except asyncpg.InvalidAuthorizationSpecificationError as exc:
        raise CannotStart(f"the site database does not let us in ({exc})") from exc
    try:
        yield at
    except OUTAGE as exc:
        raise SiteDatabaseUnavailable(f"the site database was lost ({type(exc).__name__}: {exc})") from exc
    finally:
        await at.close(timeout=TIMEOUT)
