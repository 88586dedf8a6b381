"""A site as somebody draws it: computers, and which roles stand on which.

Read from TOML and checked whole before anything starts. The statements about sharing
(roles may share a computer; a computer fails as one) are about this drawing.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.errors import TopologyError
from emulator.security import Security, read_security

ROLE_KINDS = ("site_server", "site_database", "management_point", "distribution_point", "database_replica")
_COMPUTER_NAME = re.compile(r"[A-Z0-9][A-Z0-9-]{0,14}")
_SITE_CODE = re.compile(r"[A-Z0-9]{3}")
_SITE_FIELDS = ("name", "site_code", "site_name", "computer", "nlb", "security", "user", "policy")
_COMPUTER_FIELDS = ("name", "roles", "database_replica")
_NLB_FIELDS = ("name", "members")


@dataclass(frozen=True, slots=True)
class PlacedRole:
    """One role on one computer; the name is unique in the site."""

    name: str
    kind: str
    computer: str


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer fails as one: every role on it is lost together (statement B4)."""

    name: str
    kinds: tuple[str, ...]
    replica: str | None = None  # the computer whose database replica the management point here reads


@dataclass(frozen=True, slots=True)
class Cluster:
    """Computers whose management points clients know by one name: Network Load Balancing."""

    name: str
    members: tuple[str, ...]  # computers


@dataclass(frozen=True, slots=True)
class Topology:
    """The computers of one site."""

    name: str
    site_code: str
    site_name: str
    computers: tuple[Computer, ...]
    security: Security = field(default_factory=Security)
    clusters: tuple[Cluster, ...] = ()

    @property
    def roles(self) -> tuple[PlacedRole, ...]:
        """Every role; named by its kind, and numbered where there are several of a kind."""
        total = Counter(kind for computer in self.computers for kind in computer.kinds)
        seen: Counter[str] = Counter()
        placed = []
        for computer in self.computers:
            for kind in computer.kinds:
                seen[kind] += 1
                name = kind if total[kind] == 1 else f"{kind}_{seen[kind]}"
                placed.append(PlacedRole(name, kind, computer.name))
        return tuple(placed)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of roles there are."""
        return frozenset(kind for computer in self.computers for kind in computer.kinds)

    def lost_with(self, computer: str) -> frozenset[str]:
        """The kinds of which nothing is left when this computer is lost."""
        here = {role.kind for role in self.roles if role.computer == computer}
        return frozenset(here - {role.kind for role in self.roles if role.computer != computer})

    def is_computer(self, target: str) -> bool:
        """Whether this names a computer, and so everything on it as one."""
        return target.lower() in (computer.name.lower() for computer in self.computers)

    def resolve(self, target: str) -> tuple[PlacedRole, ...]:
        """The roles that a computer's name, a role's name or a role's kind means.

        Raises:
            TopologyError: nothing in the site has this name.
        """
        roles = self.roles
        for attribute in ("computer", "name", "kind"):
            found = tuple(r for r in roles if getattr(r, attribute).lower() == target.lower())
            if found:
                return found
        valid = sorted({r.name for r in roles} | {r.kind for r in roles} | {c.name for c in self.computers})
        raise TopologyError.naming_valid(f"{self.name}: nothing is called {target!r}", valid)


def load_topology(path: Path) -> Topology:
    """Read and check a topology file.

    Raises:
        TopologyError: one line with file, place and the valid values.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise TopologyError(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise TopologyError(f"{path}: not TOML ({exc})") from exc
    try:
        return read_topology(document)
    except TopologyError as exc:
        raise TopologyError(f"{path}: {exc}") from exc


def read_topology(document: dict[str, Any]) -> Topology:
    """Check a topology given as the document that TOML describes.

    Raises:
        TopologyError: names the place and the valid values.
    """
    _only(document, _SITE_FIELDS, "site")
    name = _text(document, "name", "site")
    site_code = _text(document, "site_code", "site")
    if not _SITE_CODE.fullmatch(site_code):
        raise TopologyError(f"site_code: {site_code!r} is not a site code; valid: three of A-Z and 0-9")
    tables = document.get("computer")
    if not isinstance(tables, list) or not tables:
        raise TopologyError("computer: missing; at least one [[computer]] table is needed")
    computers = tuple(_computer(table, f"computer[{i + 1}]") for i, table in enumerate(tables))
    for computer, times in Counter(c.name for c in computers).items():
        if times > 1:
            raise TopologyError(f"computer: {computer!r} stands there {times} times; names must differ")
    site_name = str(document.get("site_name", name))
    clusters = tuple(_cluster(t, f"nlb[{i + 1}]") for i, t in enumerate(document.get("nlb", [])))
    topology = Topology(name, site_code, site_name, computers, read_security(document), clusters)
    _check_roles(topology)
    _check_clusters(topology)
    _check_replicas(topology)
    return topology


def _computer(table: Any, place: str) -> Computer:
    if not isinstance(table, dict):
        raise TopologyError(f"{place}: must be a [[computer]] table")
    _only(table, _COMPUTER_FIELDS, place)
    name = _text(table, "name", place)
    if not _COMPUTER_NAME.fullmatch(name):
        raise TopologyError(f"{place}.name: {name!r} is no computer name; valid: 1 to 15 of A-Z, 0-9 and '-'")
    kinds = table.get("roles")
    if not isinstance(kinds, list) or not kinds:
        raise TopologyError(f"{place}.roles: missing; valid: a list of {', '.join(ROLE_KINDS)}")
    for i, kind in enumerate(kinds):
        if kind not in ROLE_KINDS:
            raise TopologyError(
                f"{place}.roles[{i + 1}]: unknown role {kind!r}; valid: {', '.join(ROLE_KINDS)}"
            )
        if kinds.count(kind) > 1:
            raise TopologyError(f"{place}.roles: {kind} stands there twice; once is enough")
    replica = table.get("database_replica")
    if replica is not None and "management_point" not in kinds:
        raise TopologyError(f"{place}.database_replica: only a management point reads one; {name} has none")
    return Computer(name, tuple(kinds), replica)


def _cluster(table: Any, place: str) -> Cluster:
    if not isinstance(table, dict):
        raise TopologyError(f"{place}: must be a [[nlb]] table")
    _only(table, _NLB_FIELDS, place)
    name = _text(table, "name", place)
    if not _COMPUTER_NAME.fullmatch(name):
        raise TopologyError(f"{place}.name: {name!r} is no computer name; valid: 1 to 15 of A-Z, 0-9 and '-'")
    members = table.get("members")
    if not isinstance(members, list) or len(members) < 2 or len(set(map(str, members))) < len(members):
        raise TopologyError(f"{place}.members: a list of two or more computers is needed, each once")
    return Cluster(name, tuple(str(member) for member in members))


def _check_roles(topology: Topology) -> None:
    """Statement B1: one site server, one site database, at least one of each point."""
    count = Counter(role.kind for role in topology.roles)
    for kind in ("site_server", "site_database"):
        if count[kind] != 1:
            raise TopologyError(f"computer: a site has exactly one {kind}, here are {count[kind]}")
    for kind in ("management_point", "distribution_point"):
        if not count[kind]:
            raise TopologyError(f"computer: a site has at least one {kind}, here is none")


def _check_clusters(topology: Topology) -> None:
    """Every member has a management point, stands in one cluster, and no name is used twice."""
    computers = [c.name for c in topology.computers]
    able = [c.name for c in topology.computers if "management_point" in c.kinds]
    taken: list[str] = []
    for i, cluster in enumerate(topology.clusters):
        place = f"nlb[{i + 1}]"
        if cluster.name in computers + [c.name for c in topology.clusters[:i]]:
            raise TopologyError(f"{place}.name: {cluster.name!r} is taken; names must differ")
        for member in cluster.members:
            if member not in able or member in taken:
                valid = ", ".join(name for name in able if name not in taken)
                raise TopologyError(
                    f"{place}.members: {member!r} has no management point for it; valid: {valid}"
                )
        taken += cluster.members
    if topology.clusters and topology.security.mode == "native":
        raise TopologyError("nlb: management points in native mode are not balanced here; valid: mixed mode")


def _check_replicas(topology: Topology) -> None:
    """Whoever reads a replica names one that is there."""
    replicas = [c.name for c in topology.computers if "database_replica" in c.kinds]
    for i, computer in enumerate(topology.computers):
        if computer.replica is not None and computer.replica not in replicas:
            raise TopologyError(
                f"computer[{i + 1}].database_replica: {computer.replica!r} has none; "
                f"valid: {', '.join(replicas) or 'none here'}"
            )


def _only(table: dict[str, Any], fields: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in fields:
            raise TopologyError(f"{place}: unknown field {key!r}; valid: {', '.join(fields)}")


def _text(table: dict[str, Any], key: str, place: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise TopologyError(f"{place}.{key}: missing; a text is needed")
    return value


def canned_names(folder: Path) -> Iterator[str]:
    """The topologies that come with the product."""
    return (path.stem for path in sorted(folder.glob("*.toml")))
