"""An address of its own for every computer of a site, on loopback.

Linux answers on the whole of 127.0.0.0/8, so each computer gets one address: evidence reads
like a network, and a role that comes back finds its port free, because nobody else picks
ports on that address meanwhile. Where only 127.0.0.1 answers, all computers share it.
"""

from __future__ import annotations

import secrets
import socket

from emulator.settings import ClusterAddress, RoleAddress
from emulator.topology import PlacedRole, Topology

_given: set[tuple[str, int]] = set()


def assign_addresses(topology: Topology) -> tuple[RoleAddress, ...]:
    """Choose host and a free port for every role, before any of them starts."""
    hosts = dict(zip((c.name for c in topology.computers), own_hosts(len(topology.computers)), strict=True))
    return tuple(_address(role, hosts[role.computer], topology) for role in topology.roles)


def _address(role: PlacedRole, host: str, topology: Topology) -> RoleAddress:
    port = free_port(host)
    https_port = free_port(host) if speaks_tls(role, topology) else None
    for_clients = role.kind in ("management_point", "distribution_point")
    native = topology.security.mode == "native"
    return RoleAddress(
        name=role.name,
        kind=role.kind,  # the topology has checked it
        computer=role.computer,
        host=host,
        port=port,
        https_port=https_port,
        public=f"https://{host}:{https_port}" if native and for_clients else None,
    )


def join_clusters(topology: Topology, addresses: tuple[RoleAddress, ...]) -> tuple[RoleAddress, ...]:
    """Give every cluster an address of its own, and tell its members."""
    joined = list(addresses)
    for cluster in topology.clusters:
        host = own_hosts(1)[0]
        at = ClusterAddress(name=cluster.name, host=host, port=free_port(host))
        for i, role in enumerate(joined):
            if role.kind == "management_point" and role.computer in cluster.members:
                joined[i] = role.model_copy(update={"cluster": at})
    return tuple(joined)


def speaks_tls(role: PlacedRole, topology: Topology) -> bool:
    """The SMS Provider and distribution points always; a management point in native mode."""
    native = topology.security.mode == "native"
    return role.kind in ("site_server", "distribution_point") or (role.kind == "management_point" and native)


def own_hosts(count: int) -> list[str]:
    """Addresses on loopback that nobody else uses, in one made-up network; or 127.0.0.1, so many times."""
    network = f"127.{secrets.randbelow(253) + 1}.{secrets.randbelow(254) + 1}"
    hosts = [f"{network}.{i + 10}" for i in range(count)]
    return [own if _answers(own) else "127.0.0.1" for own in hosts]


def free_port(host: str) -> int:
    """A port of the host's that is free now, and that nobody in this process was given before.

    Whoever is given one opens it later; the system itself might name it twice until then.
    """
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if (host, port) not in _given:
            _given.add((host, port))
            return port


def _answers(host: str) -> bool:
    try:
        free_port(host)
    except OSError:
        return False
    return True
