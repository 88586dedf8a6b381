"""The way to the site database: the one place where asyncpg is called.

An outage is an exception passing through, never a flag: whatever asyncpg shows when the
server is gone becomes ``SiteDatabaseUnavailable``, here, around the smallest call. What the
caller does inside a transaction is not touched: a full disk of his own stays his.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database.informed_connection import InformedConnection

# An outage, as asyncpg shows it: refused, reset and timed-out connections are OSErrors or
# TimeoutErrors; one lost in use is a PostgresConnectionError or an InterfaceError; a server
# that is starting up or shutting down answers with an OperatorInterventionError; one that takes
# no sessions for this database answers ObjectNotInPrerequisiteState; one with none left, or with
# no room on its disk, InsufficientResources. One that only reads now (a standby, or so set) is away for
# whoever has to write.
OUTAGE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.ObjectNotInPrerequisiteStateError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
)

Record = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError


def load_queries(folder: Path) -> dict[str, str]:
    """Read every ``-- name --`` heading of the folder's .sql files.

    Raises:
        ValueError: two queries have one name.
    """
    queries: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        name = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("-- ") and line.endswith(" --"):
                name = line[3:-3].strip()
                if name in queries:
                    raise ValueError(f"{file.name}: the query {name!r} exists already")
                queries[name] = ""
            elif name:
                queries[name] += line + "\n"
    return queries


QUERIES = load_queries(Path(__file__).parent / "queries")


class Session:
    """One connection inside one transaction; runs named queries."""

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    async def fetch(self, query: str, *args: object) -> list[Record]:
        async with self._call():
            rows: list[Record] = await self._connection.fetch(_text(query), *args, timeout=self._timeout)
            return rows

    async def fetchrow(self, query: str, *args: object) -> Record | None:
        async with self._call():
            row: Record | None = await self._connection.fetchrow(_text(query), *args, timeout=self._timeout)
            return row

    async def fetchval(self, query: str, *args: object) -> Any:
        async with self._call():
            return await self._connection.fetchval(_text(query), *args, timeout=self._timeout)

    async def execute(self, query: str, *args: object) -> str:
        async with self._call():
            return str(await self._connection.execute(_text(query), *args, timeout=self._timeout))

    async def executemany(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        async with self._call():
            await self._connection.executemany(_text(query), rows, timeout=self._timeout)

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        try:
            async with _outages():
                yield
        except (SiteDatabaseUnavailable, asyncio.CancelledError):
            # Giving a connection back asks a silent server to cancel, and waits: drop it instead.
            # A dropped one is back in the pool's hands, and refuses a second drop by the ROLLBACK.
            with suppress(asyncpg.InterfaceError):
                self._connection.terminate()
            raise


class SiteDatabase:
    """A pool of sessions; every call either works or raises ``SiteDatabaseUnavailable``.

    Queries are named by their heading in ``queries/*.sql``. ``min_size=0`` lets a role start
    while the database is down.
    """

    def __init__(self, dsn: str, *, timeout: float = 2.0, max_size: int = 8, name: str = "cmemu") -> None:
        self.dsn = dsn
        self.timeout = timeout
        self._max_size = max_size
        self._name = name
        self._pool: Any = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0,
            max_size=self._max_size,
            timeout=self.timeout,
            command_timeout=self.timeout,
            reset=_leave,
            connection_class=InformedConnection,
            # Planning the look-up of assignments takes six times as long as running it, and the plan
            # never depends on whose they are: so plan once a session.
            server_settings={"application_name": self._name, "plan_cache_mode": "force_generic_plan"},
        )

    async def close(self) -> None:
        if self._pool is not None:
            # A frozen server never answers the goodbye: end the connections then.
            try:
                async with asyncio.timeout(self.timeout):
                    await self._pool.close()
            except (TimeoutError, *OUTAGE):
                self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """All or nothing: commits at the end of the block, rolls back on an exception."""
        async with self._session() as session:
            await session.execute("BEGIN")
            try:
                yield session
            except BaseException:
                with suppress(SiteDatabaseUnavailable):  # it rolls back by itself then
                    await session.execute("ROLLBACK")
                raise
            await session.execute("COMMIT")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        if self._pool is None:
            raise SiteDatabaseUnavailable("the way to the site database is closed")
        async with _outages():
            # Not acquire's own timeout, which makes a task of every call.
            async with asyncio.timeout(self.timeout):
                connection = await self._pool.acquire()
        try:
            yield Session(connection, self.timeout)
        finally:
            async with _outages():
                await self._pool.release(connection, timeout=self.timeout)

    async def fetch(self, query: str, *args: object) -> list[Record]:
        async with self._session() as session:
            return await session.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Record | None:
        async with self._session() as session:
            return await session.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        async with self._session() as session:
            return await session.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        async with self._session() as session:
            return await session.execute(query, *args)

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call ``heard(payload)`` for every notification until the connection is lost.

        Calls ``heard("")`` once as soon as it listens, so that what happened before is looked at.

        Raises:
            SiteDatabaseUnavailable: the server is or went away.
        """
        lost = asyncio.Event()
        async with _outages():
            connection: Any = await asyncpg.connect(self.dsn, timeout=self.timeout)
        try:
            async with _outages():
                connection.add_termination_listener(lambda *_: lost.set())
                await connection.add_listener(channel, lambda _c, _p, _ch, payload: heard(str(payload)))
                heard("")
                # A frozen or vanished server sends no goodbye: ask it now and then.
                while not lost.is_set():
                    # Not wait_for(): until Python 3.12 it forgets a cancellation that comes with the loss.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await lost.wait()
                    if not lost.is_set():
                        await connection.execute("SELECT 1", timeout=self.timeout)
        finally:
            connection.terminate()
        raise SiteDatabaseUnavailable("the site database closed the session")


Database = SiteDatabase | Session


async def _leave(_: Any) -> None:
    """Nothing to tidy up when a session goes back: none of ours sets, locks or listens for anything.

    asyncpg would send a statement for that after every query, which doubles the way to the database.
    A transaction is ended by who began it; a session that was lost in one is not given back.
    """


def _text(query: str) -> str:
    return QUERIES.get(query, query)


@asynccontextmanager
async def _outages() -> AsyncIterator[None]:
    """Translate an outage, once.

    An InterfaceError that is a ValueError too is about what was asked, and would be the same tomorrow.
    """
    try:
        yield
    except OUTAGE as exc:
        if isinstance(exc, ValueError):
            raise
        told = f"{type(exc).__name__}: {exc}".rstrip(": ")
        raise SiteDatabaseUnavailable(f"the site database cannot be reached ({told})") from exc
