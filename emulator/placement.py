"""Where the roles of a site in containers answer: fixed ports, and addresses from the environment.

A container is a computer. Inside it every role listens on all of its addresses, on the port that
the role has in every container of the site; how the other computers are reached from here is
told by variables:

    CMEMU_SECRET            what the roles of one site show each other; needed
    CMEMU_AT_<ROLE>         host under which this container reaches that role; its computer, if not given
    CMEMU_PUBLIC_<ROLE>     URL under which clients reach that role; at its computer, if not given
    CMEMU_DSN               the site database, when it is not a role of ours
    CMEMU_SPEED             site seconds a real second; with it CMEMU_CLOCK_ORIGIN, seconds since 1970
    CMEMU_DATABASE_TIMEOUT  real seconds one query may take
    CMEMU_CLOCK_FILE        or a file with the site's clock that all containers see and follow
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from emulator.clock import ClockSettings
from emulator.errors import CannotStart
from emulator.settings import RoleAddress, RoleSettings
from emulator.topology import ROLE_KINDS, Topology

EVERYWHERE = "0.0.0.0"  # all addresses of the container: its networks are its walls
HERE = "127.0.0.1"
OWN = "own"
DATABASE_PORT = 5432
FIRST_PORT, FIRST_TLS_PORT = 8080, 8443
DATABASE = "smsdb"
_PREFIXES = ("CMEMU_AT_", "CMEMU_PUBLIC_")


def ports(topology: Topology) -> dict[str, tuple[int, int | None]]:
    """HTTP and TLS port of every role: from 8080 and 8443 upwards, in the order of the roles' kinds.

    Raises:
        CannotStart: the site has something that cannot be placed in containers.
    """
    if topology.security.mode == "native":
        raise CannotStart(f"{topology.name}: containers share no certificates yet; sites in mixed mode only")
    if topology.clusters or any(role.kind == "database_replica" for role in topology.roles):
        raise CannotStart(f"{topology.name}: neither clusters nor database replicas are placed in containers")
    ordered = sorted(topology.roles, key=lambda role: ROLE_KINDS.index(role.kind))
    web = [role for role in ordered if role.kind != "site_database"]
    found: dict[str, tuple[int, int | None]] = {
        role.name: (DATABASE_PORT, None) for role in ordered if role.kind == "site_database"
    }
    for i, role in enumerate(web):
        plain = role.kind == "management_point"
        found[role.name] = (FIRST_PORT + i, None if plain else FIRST_TLS_PORT + i)
    return found


def whole_site(topology: Topology, public_host: str) -> tuple[RoleAddress, ...]:
    """Addresses of a site that stands in one container, its ports published under ``public_host``.

    ``own`` means this container's address: for those who reach it without published ports.
    """
    if public_host == OWN:
        public_host = socket.gethostbyname(socket.gethostname())
    return tuple(
        RoleAddress(
            name=role.name,
            kind=role.kind,
            computer=role.computer,
            host=HERE,
            port=port,
            https_port=tls,
            public=None if role.kind == "site_database" else f"http://{public_host}:{port}",
        )
        for role in topology.roles
        for port, tls in (ports(topology)[role.name],)
    )


def settings_of(
    topology: Topology, target: str, data: Path, environment: Mapping[str, str]
) -> list[RoleSettings]:
    """Settings of the role or of every role of the computer ``target``, as the environment tells them.

    Raises:
        TopologyError: nothing in the site is called so.
        CannotStart: a variable is missing or unknown, with the valid ones.
    """
    here = topology.resolve(target)
    if len({role.computer for role in here}) > 1:
        names = ", ".join(role.name for role in here)
        raise CannotStart(f"{target!r} stands on several computers; a container is one of: {names}")
    _known(topology, environment)
    secret = environment.get("CMEMU_SECRET", "")
    if not secret:
        raise CannotStart("CMEMU_SECRET: missing; every role of a site is given the same text")
    roles = tuple(_addresses(topology, {role.name for role in here}, environment))
    dsn = environment.get("CMEMU_DSN") or _dsn(roles, secret)
    clock_file = environment.get("CMEMU_CLOCK_FILE")
    return [
        RoleSettings(
            role=address,
            site_code=topology.site_code,
            site_name=topology.site_name,
            roles=roles,
            data=data / address.name,
            secret=secret,
            database=None if address.kind == "distribution_point" else dsn,
            database_timeout=_seconds(environment, "CMEMU_DATABASE_TIMEOUT", 2.0),
            clock=_clock(environment),
            clock_file=Path(clock_file) if clock_file else None,
            security=topology.security,
            pki=data / "pki",
            listen=EVERYWHERE,
        )
        for address in roles
        if address.name in {role.name for role in here}
    ]


def _addresses(topology: Topology, here: set[str], environment: Mapping[str, str]) -> Iterator[RoleAddress]:
    places = ports(topology)
    for role in topology.roles:
        host = environment.get(f"CMEMU_AT_{role.name.upper()}")
        if not host:
            host = HERE if role.name in here else role.computer.lower()
        port, tls = places[role.name]
        public = environment.get(f"CMEMU_PUBLIC_{role.name.upper()}")
        if not public:
            public = f"http://{role.computer.lower()}:{port}"
        yield RoleAddress(
            name=role.name,
            kind=role.kind,
            computer=role.computer,
            host=host,
            port=port,
            https_port=tls,
            public=None if role.kind == "site_database" else public,
        )


def _dsn(roles: tuple[RoleAddress, ...], secret: str) -> str:
    database = next(role for role in roles if role.kind == "site_database")
    return f"postgresql://postgres:{quote(secret, safe='')}@{database.host}:{database.port}/{DATABASE}"


def _known(topology: Topology, environment: Mapping[str, str]) -> None:
    """A misspelt role would otherwise be heard of much later, as a silence."""
    valid = [prefix + role.name.upper() for prefix in _PREFIXES for role in topology.roles]
    for name in environment:
        if name.startswith(_PREFIXES) and name not in valid:
            raise CannotStart(f"{name}: no such role in {topology.name}; valid: {', '.join(valid)}")


def _clock(environment: Mapping[str, str]) -> ClockSettings:
    """Containers agree on the time by agreeing on where it began."""
    speed = _seconds(environment, "CMEMU_SPEED", 1.0)
    if not environment.get("CMEMU_CLOCK_ORIGIN"):
        if speed != 1.0:
            raise CannotStart(
                "CMEMU_CLOCK_ORIGIN: missing; with CMEMU_SPEED every container is given the same"
            )
        return ClockSettings()
    return ClockSettings(speed=speed, real_origin=_seconds(environment, "CMEMU_CLOCK_ORIGIN", 0.0))


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise CannotStart(f"{name}: {text!r} is no number above 0")
    return number
