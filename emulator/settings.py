"""What one role must be told to run: the whole of it, as one JSON file.

The same settings start a role in the test's process, in a process of its own
(``cmemu role FILE``) or in a container.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from emulator.clock import Clock, ClockSettings
from emulator.clock_file import follow
from emulator.protocol.names import fqdn
from emulator.security import Security

RoleKind = Literal[
    "site_server", "site_database", "management_point", "distribution_point", "database_replica"
]
DATABASES: tuple[RoleKind, ...] = ("site_database", "database_replica")  # PostgreSQL, not HTTP


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterAddress(_Frozen):
    """The one address under which clients know several management points."""

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


class RoleAddress(_Frozen):
    """Where one role of the site answers."""

    name: str  # unique in the site: "site_server", "management_point", "distribution_point_2"
    kind: RoleKind
    computer: str
    host: str
    port: int
    https_port: int | None = None  # where the role answers TLS, if it does
    public: str | None = None  # where clients reach it, if not here
    cluster: ClusterAddress | None = None  # whom clients know instead of it and its fellows

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def public_url(self) -> str:
        """What clients are told."""
        return self.public or self.url

    @property
    def clients_speak_tls(self) -> bool:
        """Whether clients are told to come over TLS: native mode."""
        return self.public_url.startswith("https://")

    @property
    def https_url(self) -> str | None:
        return f"https://{self.host}:{self.https_port}" if self.https_port else None

    @property
    def fqdn(self) -> str:
        return fqdn(self.computer)


def known_to_clients(roles: Iterable[RoleAddress]) -> list[RoleAddress]:
    """The roles as clients are told of them: those behind one address are one."""
    known: dict[str, RoleAddress] = {}
    for role in roles:
        if role.cluster is None:
            known[role.name] = role
            continue
        at = role.cluster
        seen = {"computer": at.name, "host": at.host, "port": at.port, "public": at.url}
        known.setdefault(f"cluster {at.name}", role.model_copy(update=seen))
    return list(known.values())


class RoleSettings(_Frozen):
    """The settings of one role."""

    role: RoleAddress
    site_code: str
    site_name: str = "Emulated site"
    roles: tuple[RoleAddress, ...]  # every role of the site, this one too
    data: Path  # this role's own folder
    secret: str  # what the roles of one site show each other
    database: str | None = None  # DSN of the site database
    replica: str | None = None  # DSN of the database replica that a management point reads
    # The network's patience is in real seconds, whatever the site's clock shows: packets know no site time.
    database_timeout: float = 2.0  # real seconds for one acquire or one query
    link_timeout: float = 2.0  # real seconds for one request to another role
    max_body: int = 16 * 1024 * 1024  # bytes of one message
    log_dir: Path | None = None  # where its components write the product's own logs; None: nowhere
    journal: int = 0  # bytes of messages that the role keeps for whoever asks later; 0: none
    clock: ClockSettings = ClockSettings()  # as it was when the role was set up
    clock_file: Path | None = None  # where the site's clock is kept, for who follows its changes
    security: Security = Security()
    listen: str | None = None  # on which address of this machine, if not on the role's own
    pki: Path | None = None  # the site's certificates and keys; None: the role makes its own in its folder

    def open_clock(self) -> Clock:
        """The role's own clock: it does as the site's, and may be wrong by the role's skew."""
        if self.clock_file is None:
            return Clock(self.clock, who=self.role.name)
        return follow(self.clock_file, self.role.name, self.clock)

    def of_kind(self, kind: RoleKind) -> list[RoleAddress]:
        return [role for role in self.roles if role.kind == kind]
