"""The ways a role is offline, one small class each; names as in the failure table.

An outage acts on a host from outside and returns what was really done. Lifting it restores
what was there before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from emulator.errors import FaultRefused


class Breakable(Protocol):
    """What an outage needs of the thing it acts on."""

    async def start(self) -> str: ...
    async def stop(self) -> str: ...
    async def kill(self) -> str: ...
    async def suspend(self) -> str: ...
    async def resume(self) -> str: ...
    async def refuse(self) -> str: ...
    async def accept(self) -> str: ...
    async def cut(self, *, outside: bool = False) -> str: ...
    async def mend(self) -> str: ...


class Outage(ABC):
    """One way to be offline."""

    kind: ClassVar[str]
    sentence: ClassVar[str]

    @abstractmethod
    async def apply(self, host: Breakable) -> str:
        """Take the role away; returns what was done."""

    @abstractmethod
    async def lift(self, host: Breakable) -> str:
        """Bring it back; returns what was done."""


class Stopped(Outage):
    kind = "stopped"
    sentence = "orderly shutdown; connections are refused"

    async def apply(self, host: Breakable) -> str:
        return await host.stop()

    async def lift(self, host: Breakable) -> str:
        return await host.start()


class Killed(Outage):
    kind = "killed"
    sentence = "SIGKILL in the middle of work; connections are reset, then refused"

    async def apply(self, host: Breakable) -> str:
        return await host.kill()

    async def lift(self, host: Breakable) -> str:
        return await host.start()


class Hung(Outage):
    kind = "hung"
    sentence = "SIGSTOP: the port still accepts, nothing answers"

    async def apply(self, host: Breakable) -> str:
        return await host.suspend()

    async def lift(self, host: Breakable) -> str:
        return await host.resume()


class Failing(Outage):
    kind = "failing"
    sentence = "every request is answered with an error: HTTP 503, or PostgreSQL refusing sessions"

    async def apply(self, host: Breakable) -> str:
        return await host.refuse()

    async def lift(self, host: Breakable) -> str:
        return await host.accept()


class Partitioned(Outage):
    kind = "partitioned"
    sentence = "packets are dropped: connect attempts time out, open connections go silent"

    async def apply(self, host: Breakable) -> str:
        return await host.cut()

    async def lift(self, host: Breakable) -> str:
        return await host.mend()


class ComputerPartitioned(Partitioned):
    """As a whole: its roles still reach each other."""

    async def apply(self, host: Breakable) -> str:
        return await host.cut(outside=True)


OUTAGES: dict[str, type[Outage]] = {cls.kind: cls for cls in (Stopped, Killed, Hung, Failing, Partitioned)}
# The ways in which nobody answers: only waiting tells.
SILENT = ("hung", "partitioned")


def outage(kind: str, *, of_computer: bool = False) -> Outage:
    """The outage of this name; ``of_computer``: of all roles of a computer, as one.

    Raises:
        FaultRefused: no outage has this name; the valid ones are listed.
    """
    if kind not in OUTAGES:
        raise FaultRefused.naming_valid(f"unknown fault {kind!r}", OUTAGES)
    return ComputerPartitioned() if of_computer and kind == Partitioned.kind else OUTAGES[kind]()
