"""The five ways to be offline, as faults that are set like any other; see ``outage.py`` for what they do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from emulator.errors import FaultRefused
from emulator.faults.fault import Memory, RoleFault
from emulator.faults.outage import outage
from emulator.faults.surroundings import Surroundings


class Offline(RoleFault):
    """The role is away."""

    alone = False  # whoever heals the role need not lift it: whether it is away tells

    def check(self, site: Surroundings, role: str) -> None:
        """See that it is there.

        Raises:
            FaultRefused: it is away already.
        """
        if role in site.broken:
            raise FaultRefused(f"{self.kind}: {role} is away already ({site.broken[role]})")

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Take the role away.

        Raises:
            FaultRefused: it cannot be taken away in this manner here.
        """
        whole = site.topology.is_computer(self.on)
        return await site.take_away(role, outage(self.kind, of_computer=whole))

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        if role not in site.broken:
            return "was back already"
        return await site.bring_back(role)


class StoppedRole(Offline):
    """Orderly shutdown; connections are refused."""

    kind = "stopped"
    ends_with_site = True


class KilledRole(Offline):
    """SIGKILL in the middle of work; connections are reset, then refused."""

    kind = "killed"
    ends_with_site = True


class HungRole(Offline):
    """SIGSTOP: the port still accepts, nothing answers."""

    kind = "hung"


class FailingRole(Offline):
    """Every request is answered with an error: HTTP 503, or PostgreSQL refusing sessions."""

    kind = "failing"


class PartitionedRole(Offline):
    """Packets are dropped: connect attempts time out, open connections go silent."""

    kind = "partitioned"
    direction: Literal["requests", "replies", "both"] = Field(
        default="both",
        description="what is dropped; one way only: of a role, on every link that leads to it; "
        "connect attempts time out in any case",
    )
