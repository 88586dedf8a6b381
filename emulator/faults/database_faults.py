"""A site database that is there and no help: read-only, out of connections, restarting, slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from pydantic import Field

from emulator.errors import ConfigMgrError, FaultRefused
from emulator.faults.fault import Memory, RoleFault
from emulator.faults.surroundings import Surroundings
from emulator.logs import get_logger
from emulator.role_host import DatabaseHost
from emulator.site_database.disturbance import HeldSessions, set_read_only
from emulator.site_database.server import MAINTENANCE

_TASK, _HELD = "task", "held"
_PAUSE_AFTER_FAILURE = 0.5  # real seconds
log = get_logger("faults")
AWAKE = ("stopped", "killed", "hung")  # how a database is broken that must not be woken by a slow one


class _OfDatabase(RoleFault):
    """Of the site database."""

    roles = ("site_database",)

    def check(self, site: Surroundings, role: str) -> None:
        """See that there is a database to act on.

        Raises:
            FaultRefused: it is away.
        """
        if role in site.broken:
            raise FaultRefused(f"{self.kind}: {role} is away ({site.broken[role]})")

    def _database(self, site: Surroundings, role: str) -> DatabaseHost:
        """The role's host.

        Raises:
            FaultRefused: the database is away.
        """
        self.check(site, role)
        host = site.host(role)
        assert isinstance(host, DatabaseHost)
        return host

    def _present(self, site: Surroundings, role: str) -> str:
        """Its DSN; raises as ``check``."""
        self.check(site, role)
        return site.server_dsn(role)


class DatabaseReadOnly(_OfDatabase):
    """PostgreSQL reads and refuses to write (default_transaction_read_only); open sessions are ended."""

    kind = "database_read_only"

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        dsn = self._present(site, role)
        try:
            ended = await set_read_only(dsn, read_only=True)
        except BaseException:
            # It may be set, and no session ended yet: a fault that could not be set leaves nothing behind.
            with contextlib.suppress(ConfigMgrError):
                await set_read_only(dsn, read_only=False)
            raise
        return f"default_transaction_read_only is on; {ended} sessions were ended"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        ended = await set_read_only(self._present(site, role), read_only=False)
        return f"default_transaction_read_only is reset; {ended} sessions were ended"


class DatabaseOutOfConnections(_OfDatabase):
    """Every connection PostgreSQL has is taken by a session of ours; the sessions of the site are ended."""

    kind = "database_out_of_connections"

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        name = urlsplit(self._present(site, role)).path.lstrip("/")
        held = HeldSessions(site.server_dsn(role, MAINTENANCE), name)
        count = await held.take()
        memory[_HELD] = held
        return f"{count} sessions are held: all there can be"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        await memory[_HELD].release()
        return "the held sessions are closed"


class _Repeated(_OfDatabase):
    """Something done again and again until it is lifted."""

    def _repeat(self, memory: Memory, deed: Callable[[], Awaitable[None]]) -> None:
        memory[_TASK] = asyncio.get_running_loop().create_task(self._run(deed))

    async def _run(self, deed: Callable[[], Awaitable[None]]) -> None:
        while True:
            # Shielded: half a restart would leave the database away.
            doing = asyncio.ensure_future(deed())
            try:
                await asyncio.shield(doing)
            except asyncio.CancelledError:
                with contextlib.suppress(ConfigMgrError):
                    await doing
                raise
            except ConfigMgrError as exc:
                # A database that did not start this time is started by the next turn.
                log.warning("failed, and is done again", kind=self.kind, reason=str(exc))
                await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    async def _end(self, memory: Memory) -> None:
        task = memory[_TASK]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConfigMgrError):
            await task


class DatabaseRestarting(_Repeated):
    """The postmaster is shut down fast and started again, and again after a pause, until it is lifted."""

    kind = "database_restarting"
    pause: float = Field(default=1.0, gt=0, description="real seconds between a start and the next shutdown")

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        host = self._database(site, role)
        stopped = await host.stop()
        started = await host.start()

        async def again() -> None:
            await asyncio.sleep(self.pause)
            if role not in site.broken:
                await host.stop()
                if role not in site.broken:
                    await host.start()

        self._repeat(memory, again)
        return f"{stopped}; {started}; again every {self.pause:g} s"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        await self._end(memory)
        if role in site.broken:
            return f"no more restarts; it is away ({site.broken[role]})"
        return f"no more restarts; {await self._database(site, role).start()}"


class DatabaseSlow(_Repeated):
    """Its processes are frozen (SIGSTOP) for a part of each fraction of a second, as on a busy machine."""

    kind = "database_slow"
    share: float = Field(default=0.9, gt=0, lt=1, description="of the time in which it stands still")
    period: float = Field(default=0.2, ge=0.02, le=10, description="real seconds from one freeze to the next")

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        host = self._database(site, role)
        done = await host.suspend()

        async def again() -> None:
            if site.broken.get(role) in AWAKE:
                await asyncio.sleep(self.period)
                return
            host.server.suspend()
            await asyncio.sleep(self.period * self.share)
            if site.broken.get(role) not in AWAKE:
                host.server.resume()
            await asyncio.sleep(self.period * (1 - self.share))

        self._repeat(memory, again)
        return f"{done}, for {self.share:.0%} of every {self.period:g} s"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        await self._end(memory)
        if site.broken.get(role) in AWAKE:
            return f"no more freezing; it is away ({site.broken[role]})"
        return await self._database(site, role).resume()
