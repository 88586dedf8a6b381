"""What a fault in a role finds around it: as much of a site as it needs to act."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from emulator.clock import Clock
from emulator.settings import RoleAddress
from emulator.topology import Topology

if TYPE_CHECKING:
    from emulator.faults.network import Network
    from emulator.faults.outage import Outage
    from emulator.history import History
    from emulator.role_host import RoleHost


class Surroundings(Protocol):
    """A site, seen by a fault."""

    topology: Topology
    history: History
    network: Network | None
    mode: Literal["in-process", "processes", "containers"]
    data: Path
    client_folders: dict[str, Path]  # of the clients that whoever runs them has told the site of

    @property
    def clock(self) -> Clock: ...
    @property
    def roles(self) -> Mapping[str, RoleAddress]: ...
    @property
    def broken(self) -> Mapping[str, str]: ...
    def host(self, role: str) -> RoleHost: ...
    def server_dsn(self, role: str, database: str | None = None) -> str: ...
    def folder(self, role: str) -> Path: ...
    async def set_clock(self, *, skew: Mapping[str, float]) -> object: ...
    async def take_away(self, role: str, outage: Outage) -> str: ...
    async def bring_back(self, role: str) -> str: ...
    async def client_name(self, smsid: str) -> str: ...
    async def policy_category(self, policy_id: str) -> str: ...
