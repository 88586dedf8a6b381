"""What a role runs in, and what can be done to it from outside.

Three hosts with one face: this process, a process of its own (``process_host.py``), and
PostgreSQL. A role never knows which one it has. What a host cannot truly do, it says in the
words it returns, or refuses.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from emulator.clock import Clock
from emulator.errors import FaultRefused
from emulator.faults.link import Link
from emulator.faults.stand_in import BlackHole, Door, ServiceUnavailable, StandIn
from emulator.pki import Pki
from emulator.role import HttpRole, Role
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.server import ExternalServer, PostgresServer


class RoleHost(Protocol):
    """Each method returns a sentence of what was really done: evidence, not intention."""

    address: RoleAddress
    links: tuple[Link, ...]

    async def start(self) -> str: ...
    async def stop(self) -> str: ...
    async def rest(self) -> str: ...
    async def go_on(self) -> str: ...
    async def kill(self) -> str: ...
    async def suspend(self) -> str: ...
    async def resume(self) -> str: ...
    async def refuse(self) -> str: ...
    async def accept(self) -> str: ...
    async def cut(self, *, outside: bool = False) -> str: ...
    async def mend(self) -> str: ...
    def clock_changed(self) -> None: ...
    async def caught_up(self) -> None: ...


class Networked(ABC):
    """What can be done to a role's links, wherever it runs."""

    address: RoleAddress
    links: tuple[Link, ...] = ()  # to it and from it; set by a site that has links

    @abstractmethod
    async def start(self) -> str: ...

    @abstractmethod
    async def stop(self) -> str: ...

    async def rest(self) -> str:
        """Shut the role down for a moment, and keep what can be kept until ``go_on``."""
        return await self.stop()

    async def go_on(self) -> str:
        return await self.start()

    def clock_changed(self) -> None:  # noqa: B027 - most have nothing to do
        """Wake the role's sleepers after a change of the clock; nothing to do in the site's own process."""

    async def caught_up(self) -> None:  # noqa: B027 - most have nothing to do
        """Return when the role knows of all that was done before, as far as it can be asked."""

    async def cut(self, *, outside: bool = False) -> str:
        """Cut its links: all, or those that leave its computer.

        Raises:
            FaultRefused: the site has no links.
            OSError: one of them cannot be cut; none is, then.
        """
        if not self.links:
            raise FaultRefused(f"partitioned: {self.address.name} has no links; start the site with links")
        links = [link for link in self.links if not (outside and link.inside)]
        name = self.address.name
        results = await asyncio.gather(*(link.cut(name) for link in links), return_exceptions=True)
        if errors := [result for result in results if result is not None]:
            await self.mend()
            raise errors[0]
        return f"{len(links)} links drop everything: {', '.join(str(k.arrow) for k in links)}"

    async def mend(self) -> str:
        await asyncio.gather(*(link.mend(self.address.name) for link in self.links))
        return f"{len(self.links)} links let everything through again"


class InProcessHost(Networked):
    """The role runs in this process, on real sockets."""

    def __init__(self, settings: RoleSettings, make: Callable[[RoleSettings], Role]) -> None:
        self.address = settings.role
        self.settings = settings
        self._make = make
        self.role: Role | None = None
        self._door: Door | None = None

    async def start(self) -> str:
        role = self._make(self.settings)
        await role.start()
        self.role = role
        return f"{self.address.name} answers on {self.address.host}:{self.address.port}"

    async def stop(self) -> str:
        await self._leave()
        if self.role:
            await self.role.stop()
            self.role = None
        return "shut down in order; its port is closed"

    async def caught_up(self) -> None:
        if isinstance(self.role, HttpRole):
            await self.role.caught_up()

    async def kill(self) -> str:
        raise FaultRefused("killed: a role in this process cannot get SIGKILL; use --mode processes")

    async def suspend(self) -> str:
        await self._replace(await door_of(self.settings, BlackHole))
        return "in this process: the role is shut down and its port accepts and never reads"

    async def resume(self) -> str:
        await self._leave()
        return await self.start()

    async def refuse(self) -> str:
        await self._replace(await door_of(self.settings, ServiceUnavailable))
        return "the role is shut down and its port answers every request with HTTP 503"

    async def accept(self) -> str:
        return await self.resume()

    async def _replace(self, door: Door) -> None:
        await self.stop()
        await door.start()
        self._door = door

    async def _leave(self) -> None:
        if self._door:
            await self._door.stop()
            self._door = None


class DatabaseHost(Networked):
    """PostgreSQL: always processes, so nothing here is pretended."""

    def __init__(self, address: RoleAddress, server: PostgresServer | ExternalServer) -> None:
        self.address = address
        self.server = server

    async def start(self) -> str:
        await self.server.start()
        return f"PostgreSQL answers on {self.address.host}:{self.address.port}"

    async def stop(self) -> str:
        await self.server.stop()
        return "fast shutdown of PostgreSQL"

    async def kill(self) -> str:
        pids = self.server.pids()
        await asyncio.to_thread(self.server.kill)
        return f"SIGKILL to the postmaster and its children, {len(pids)} processes"

    async def suspend(self) -> str:
        pids = self.server.pids()
        self.server.suspend()
        return f"SIGSTOP to the postmaster and its children, {len(pids)} processes"

    async def resume(self) -> str:
        self.server.resume()
        return "SIGCONT to the postmaster and its children"

    async def refuse(self) -> str:
        await self.server.refuse_sessions()
        return "PostgreSQL refuses sessions for the site database; the open ones were ended"

    async def accept(self) -> str:
        await self.server.accept_sessions()
        return "PostgreSQL accepts sessions again"


async def start_all(hosts: list[RoleHost]) -> None:
    """Start them together; when one cannot, the others are let finish, so that each can be stopped."""
    await _all_done(host.start() for host in hosts)


async def all_rest(hosts: list[RoleHost]) -> None:
    """Shut them down for a moment; when one cannot, the others are let finish, so that each can go on."""
    await _all_done(host.rest() for host in hosts)


async def all_go_on(hosts: list[RoleHost]) -> None:
    """As ``start_all``, for those that rest."""
    await _all_done(host.go_on() for host in hosts)


async def _all_done(deeds: Iterable[Awaitable[str]]) -> None:
    results = await asyncio.gather(*deeds, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def door_of(settings: RoleSettings, treat: type[StandIn]) -> Door:
    """What stands on every port of a role while it is away; over TLS it shows the role's certificate."""
    role = settings.role
    ports: dict[int, ssl.SSLContext | None] = {role.port: None}
    if role.https_port:
        pki = Pki(settings.pki or settings.data / "pki", Clock(settings.clock))
        # Who never reads does not even shake hands.
        silent = treat is BlackHole
        ports[role.https_port] = None if silent else await asyncio.to_thread(pki.server_context, role)
    return Door(role.host, ports, treat)
