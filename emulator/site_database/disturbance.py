"""A site database that answers and yet does not do what is asked: for those who break a site.

What is done here is what an administrator could do to it: settings of the database, sessions that are
held. Nothing of it is known to the roles.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database.database import OUTAGE
from emulator.site_database.sessions import end_sessions

_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND NOT pid = ANY($1::integer[])
"""
# A superuser may have the places that are kept for superusers too.
_PLACES = """
    SELECT current_setting('max_connections')::integer - CASE WHEN rolsuper THEN 0 ELSE
        current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true)::integer, 0) END
    FROM pg_roles WHERE rolname = current_user
"""
_HOLDER = "cmemu-sessions-held"
PATIENCE = 10.0  # real seconds in which a session is opened, or closed
TAKING = 30.0  # real seconds until every place has to be ours
_PAUSE = 0.01  # real seconds until somebody who is being turned away has left his place


async def set_read_only(dsn: str, *, read_only: bool) -> int:
    """Have every new session of the database refuse to write, or write again; open ones are ended.

    Returns how many sessions were ended.

    Raises:
        SiteDatabaseUnavailable: it cannot be reached, or has no connection left.
    """
    setting = "SET default_transaction_read_only = on" if read_only else "RESET default_transaction_read_only"
    with _told():
        connection = await _connect(dsn)
        try:
            name = await connection.fetchval("SELECT current_database()")
            # The session that takes it back is read-only itself.
            await connection.execute("SET default_transaction_read_only = off")
            quoted = '"' + str(name).replace('"', '""') + '"'
            await connection.execute(f"ALTER DATABASE {quoted} {setting}")
            return await end_sessions(connection, str(name))
        finally:
            connection.terminate()


class HeldSessions:
    """Real sessions that leave no connection for anybody else."""

    def __init__(self, maintenance_dsn: str, database: str) -> None:
        """The sessions are of the maintenance database: while they are taken, the other lets nobody in."""
        self._dsn = maintenance_dsn
        self._database = '"' + database.replace('"', '""') + '"'
        self._held: list[Any] = []

    async def take(self) -> int:
        """End everybody's sessions and take every connection there is; returns how many.

        Raises:
            SiteDatabaseUnavailable: the database cannot be reached, or others keep places for themselves.
        """
        with _told():
            first = await _connect(self._dsn)
            self._held = [first]
            try:
                # Otherwise those whose session has ended would be back before its place is ours.
                await first.execute(f"ALTER DATABASE {self._database} WITH ALLOW_CONNECTIONS false")
                try:
                    await self._fill(first)
                finally:
                    await first.execute(f"ALTER DATABASE {self._database} WITH ALLOW_CONNECTIONS true")
            except BaseException:
                await self.release()
                raise
        return len(self._held)

    async def _fill(self, first: Any) -> None:
        """One refusal does not mean that all are ours: who is turned away has a place for a moment too."""
        places, ended = await first.fetchval(_PLACES), True
        began = time.monotonic()
        while ended or len(self._held) < places:
            with suppress(asyncpg.TooManyConnectionsError):
                while True:
                    self._held.append(await _connect(self._dsn))
            mine = [connection.get_server_pid() for connection in self._held]
            ended = bool(await first.fetch(_END_OTHERS, mine))
            if len(self._held) >= places:
                continue
            if time.monotonic() - began > TAKING:
                raise SiteDatabaseUnavailable(
                    f"only {len(self._held)} of PostgreSQL's {places} connections could be taken in"
                    f" {TAKING:g} s: others keep theirs, or come back at once"
                )
            await asyncio.sleep(_PAUSE)

    async def release(self) -> None:
        """Give every connection back; returns when there is room for others, if the database is alive."""
        held, self._held = self._held, []
        await asyncio.gather(*(_closed(connection) for connection in held))


async def _closed(connection: Any) -> None:
    """End a session in order: who comes next finds its place free. A dead one is dropped."""
    try:
        await connection.close(timeout=PATIENCE)
    except (*OUTAGE, asyncpg.PostgresError):
        connection.terminate()


@contextmanager
def _told() -> Iterator[None]:
    """What PostgreSQL and asyncpg raise, in a word of ours."""
    try:
        yield
    except (*OUTAGE, asyncpg.PostgresError) as exc:
        raise SiteDatabaseUnavailable(f"PostgreSQL cannot be reached ({type(exc).__name__}: {exc})") from exc


async def _connect(dsn: str) -> Any:
    return await asyncpg.connect(dsn, timeout=PATIENCE, server_settings={"application_name": _HOLDER})
