"""Where a fault acts: the roles or the links that its ``on`` names, in a given site."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from emulator.errors import FaultRefused, TopologyError
from emulator.faults.fault import CLIENTS, Fault, RoleFault
from emulator.faults.link import Arrow
from emulator.faults.network import DATABASES, OUTSIDERS, arrows_between
from emulator.faults.offline import PartitionedRole
from emulator.faults.refused import RefusedLink
from emulator.faults.traffic import met
from emulator.faults.wire_fault import WireFault
from emulator.topology import Topology

ARROW = "->"
OBSERVERS = "observers"


@dataclass(frozen=True, slots=True)
class Scope:
    """Names of roles, or arrows; never both."""

    roles: tuple[str, ...] = ()
    arrows: tuple[Arrow, ...] = ()


def scope_of(fault: Fault, topology: Topology, clients: Collection[str] = ()) -> Scope:
    """What a fault's ``on`` means in this site; ``clients``: names of clients whose folders are known.

    Raises:
        FaultRefused: it means nothing there, or nothing that this fault can be on.
    """
    if isinstance(fault, WireFault):
        return Scope(arrows=_arrows(fault, topology))
    if ARROW in fault.on:
        return Scope(arrows=_named(fault, topology))
    # A role that is parted in one direction only is not away: the other way goes on.
    if isinstance(fault, RefusedLink) or (isinstance(fault, PartitionedRole) and fault.direction != "both"):
        return Scope(arrows=_leading_to(fault, topology))
    if isinstance(fault, RoleFault) and CLIENTS in fault.roles and fault.on in clients:
        return Scope(roles=(fault.on,))
    roles = topology_roles(fault, fault.on, topology)
    kinds = {r.name: r.kind for r in topology.roles}
    possible = fault.roles if isinstance(fault, RoleFault) else ()
    fitting = tuple(name for name in roles if not possible or kinds[name] in possible)
    if not fitting:
        raise FaultRefused.naming_valid(
            f"{fault.kind}: on: {fault.on!r} cannot have it", possible, also=", or their computers"
        )
    return Scope(roles=fitting)


def topology_roles(fault: Fault, target: str, topology: Topology) -> tuple[str, ...]:
    """The names of the roles that a name means."""
    try:
        return tuple(role.name for role in topology.resolve(target))
    except TopologyError as exc:
        raise FaultRefused(f"{fault.kind}: on: {exc}") from exc


def _arrows(fault: WireFault, topology: Topology) -> tuple[Arrow, ...]:
    """The links a wire fault is on: those that are named, or all that lead to a role."""
    arrows = _named(fault, topology) if ARROW in fault.on else _leading_to(fault, topology)
    if fault.role is not None:
        wanted = topology_roles(fault, fault.role, topology)
        arrows = tuple(a for a in arrows if a.target in wanted)
        if not arrows:
            raise FaultRefused(f"{fault.kind}: role: no link of {fault.on} leads to {fault.role}")
    return _able(fault, arrows, topology)


def _leading_to(fault: Fault, topology: Topology) -> tuple[Arrow, ...]:
    """The links that lead to a role, a kind of role or a computer."""
    roles = topology_roles(fault, fault.on, topology)
    # Observers are the harness's own eyes: blinded only by name. A computer's network is what leaves it.
    spared = {OBSERVERS, *(roles if topology.is_computer(fault.on) else ())}
    arrows = tuple(a for a in arrows_between(topology.roles) if a.target in roles and a.source not in spared)
    if not arrows:
        raise FaultRefused.naming_valid(f"{fault.kind}: on: no link leads to {fault.on}", _links_of(topology))
    return arrows


def _able(fault: WireFault, arrows: tuple[Arrow, ...], topology: Topology) -> tuple[Arrow, ...]:
    """Those on which the fault and its selectors have something to look at."""
    if not (fault.http_only or fault.selects):
        return arrows
    kinds = {role.name: role.kind for role in topology.roles}
    tls = topology.security.mode == "native"  # clients speak it then
    open_ = [a for a in arrows if kinds[a.target] not in DATABASES and not (tls and a.source == "clients")]
    able = tuple(a for a in met(fault, arrows, topology) if a in open_) if open_ else ()
    if not able:
        raise FaultRefused(
            f"{fault.kind}: on {fault.on} there is no HTTP to look into; "
            "valid there: faults of connections and bytes, without selectors"
        )
    return able


def _named(fault: Fault, topology: Topology) -> tuple[Arrow, ...]:
    """The links of ``source -> target``; each end a role, a kind, a computer or an outsider."""
    source, _, target = (part.strip() for part in fault.on.partition(ARROW))
    sources = {source} if source in OUTSIDERS else set(topology_roles(fault, source, topology))
    targets = set(topology_roles(fault, target, topology))
    arrows = tuple(a for a in arrows_between(topology.roles) if a.source in sources and a.target in targets)
    if not arrows:
        raise FaultRefused.naming_valid(
            f"{fault.kind}: on: no link goes from {source} to {target}", _links_of(topology)
        )
    return arrows


def _links_of(topology: Topology) -> Iterable[str]:
    return (str(arrow) for arrow in arrows_between(topology.roles))
