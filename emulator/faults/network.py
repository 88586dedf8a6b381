"""The network of a site: a link for every arrow, so that each can be cut.

Roles of one computer speak to each other there: a firewall on it can part them as well, and only the
loss of the computer's own connection leaves what is inside it alone. Whoever is no role (clients,
administrators, observers) stands on a computer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from emulator.addresses import free_port
from emulator.errors import CannotStart, FaultRefused
from emulator.faults.link import Arrow, Link
from emulator.settings import RoleAddress

# Who talks to whom (by kind), as the design draws it; observers look into the database from outside.
ARROWS = (
    ("clients", "management_point"),
    ("clients", "distribution_point"),
    ("administrators", "site_server"),
    ("observers", "site_database"),
    ("observers", "database_replica"),
    ("management_point", "site_database"),
    ("management_point", "database_replica"),
    ("database_replica", "site_database"),
    ("management_point", "site_server"),
    ("site_server", "site_database"),
    ("site_server", "distribution_point"),
    ("site_server", "management_point"),
)
DATABASES = ("site_database", "database_replica")  # what is spoken to them is PostgreSQL's own protocol
OUTSIDERS = ("clients", "administrators", "observers")


class Placed(Protocol):
    """A role, as a drawing of the site or its addresses know it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def computer(self) -> str: ...


class Network:
    """Every link of one site."""

    def __init__(self, roles: Iterable[RoleAddress], ports: Mapping[str, int] | None = None) -> None:
        """``ports``: where each arrow listened before, so that a kept site stays where it was."""
        self._roles = {role.name: role for role in roles}
        known = dict(ports or {})
        self.links = {
            arrow: Link(
                arrow,
                target.host,
                known.get(str(arrow)) or free_port(target.host),
                _at(arrow, target),
                http=target.kind not in DATABASES and not _over_tls(arrow, target),
                inside=self._inside(arrow),
            )
            for arrow, target in self._arrows()
        }

    def _arrows(self) -> Iterable[tuple[Arrow, RoleAddress]]:
        for arrow in arrows_between(self._roles.values()):
            yield arrow, self._roles[arrow.target]

    def _inside(self, arrow: Arrow) -> bool:
        source = self._roles.get(arrow.source)
        return source is not None and source.computer == self._roles[arrow.target].computer

    @property
    def ports(self) -> dict[str, int]:
        """Where each arrow listens, by its text."""
        return {str(arrow): link.port for arrow, link in self.links.items()}

    async def start(self) -> None:
        """Open every link.

        Raises:
            CannotStart: a port is taken.
        """
        for link in self.links.values():
            try:
                await link.start()
            except OSError as exc:
                raise CannotStart(
                    f"link {link.arrow}: {link.host}:{link.port} cannot be opened ({exc.strerror}); "
                    "is another site using the port?"
                ) from exc

    async def stop(self) -> None:
        await asyncio.gather(*(link.stop() for link in self.links.values()))

    def of(self, role: str) -> tuple[Link, ...]:
        """The links to a role and from it."""
        return tuple(k for arrow, k in self.links.items() if role in (arrow.source, arrow.target))

    def between(self, sources: Collection[str], targets: Collection[str]) -> list[Link]:
        """The links from any of the sources to any of the targets, by name.

        Raises:
            FaultRefused: there is none; the ones there are are listed.
        """
        found = [k for arrow, k in self.links.items() if arrow.source in sources and arrow.target in targets]
        if not found:
            raise FaultRefused.naming_valid(
                f"no link goes from {', '.join(sorted(sources))} to {', '.join(sorted(targets))}",
                map(str, self.links),
            )
        return found

    def as_seen(self, source: str, target: RoleAddress) -> RoleAddress:
        """The target's address as the source has to use it; unchanged where nothing lies between."""
        clients = self.links.get(Arrow("clients", target.name))
        link = self.links.get(Arrow(source, target.name))
        seen: dict[str, object] = {}
        if link:
            seen = {"host": link.host, "port": link.port}
        if clients:
            scheme = "https" if target.clients_speak_tls else "http"
            seen["public"] = f"{scheme}://{clients.host}:{clients.port}"
        return target.model_copy(update=seen)

    def dsn(self, source: str, target: RoleAddress, dsn: str) -> str:
        """The database's DSN as the source has to use it."""
        seen = self.as_seen(source, target)
        parts = urlsplit(dsn)
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@{seen.host}:{seen.port}" if user else f"{seen.host}:{seen.port}"
        return urlunsplit(parts._replace(netloc=netloc))


def arrows_between(roles: Iterable[Placed]) -> Iterator[Arrow]:
    """Every arrow of a site, also those that stay within a computer."""
    roles = tuple(roles)
    for source, kind in ARROWS:
        for target in (role for role in roles if role.kind == kind):
            if source in OUTSIDERS:
                yield Arrow(source, target.name)
                continue
            for role in roles:
                if role.kind == source:
                    yield Arrow(role.name, target.name)


def _over_tls(arrow: Arrow, role: RoleAddress) -> bool:
    """Whether nobody in between can read what is said."""
    return arrow.source == "clients" and role.clients_speak_tls and role.https_port is not None


def _at(arrow: Arrow, role: RoleAddress) -> tuple[str, int]:
    """Where a role is met; in native mode clients come by its other port."""
    if _over_tls(arrow, role):
        assert role.https_port
        return role.host, role.https_port
    return role.host, role.port
