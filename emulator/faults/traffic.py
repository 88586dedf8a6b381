"""What travels where: which requests there are to be told apart, and on which links each can be met.

A fault that chooses among requests, or can touch only some, is refused where none of them passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from emulator.errors import FaultRefused
from emulator.faults.link import Arrow
from emulator.faults.wire_fault import ENDPOINTS, WireFault
from emulator.protocol.resync import RESYNC_CATEGORY
from emulator.protocol.software_distribution import CATEGORY
from emulator.topology import Topology

_MESSAGES = ("clients -> management_point",)

# What a request is for -> the links it is met on, by kinds of role.
WAYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ENDPOINTS, _MESSAGES),
    ".sms_pol": _MESSAGES,
    # The site server sees by it whether a management point is well.
    ".sms_aut": (*_MESSAGES, "site_server -> management_point"),
    "CCM_Incoming": _MESSAGES,
    "SMS_DP_SMSPKG$": ("clients -> distribution_point",),
    "SMSPKG": ("site_server -> distribution_point",),
    "AdminService": ("administrators -> site_server",),
    "inboxes": ("management_point -> site_server",),
}
# Which of them tell what a selector asks for.
TOLD_BY: dict[str, tuple[str, ...]] = {
    "client": (*ENDPOINTS, ".sms_pol"),
    "category": (".sms_pol",),
    "policy": (".sms_pol",),
    "package": ("SMS_DP_SMSPKG$", "SMSPKG"),
}


def met(fault: WireFault, arrows: Iterable[Arrow], topology: Topology) -> tuple[Arrow, ...]:
    """Those of the links on which requests that the fault is for can pass.

    Raises:
        FaultRefused: on none of them, or there are no such requests at all; with what is valid.
    """
    if fault.category is not None:
        _see_category(fault, fault.category, topology)
    kinds = {role.name: role.kind for role in topology.roles}
    able, left, asked = list(arrows), list(WAYS), list[str]()
    for setting, sorts in _wants(fault):
        fitting = [sort for sort in left if sort in sorts]
        if not fitting:
            raise FaultRefused(
                f"{fault.kind}: {setting}: no request has it together with {' and '.join(asked)}; "
                f"valid with that: requests for {', '.join(left)}"
            )
        left = fitting
        ways = list(dict.fromkeys(way for sort in left for way in WAYS[sort]))
        able = [a for a in able if f"{kinds.get(a.source, a.source)} -> {kinds[a.target]}" in ways]
        if not able:
            lacks = "nothing that it touches passes" if setting == "on" else "no request has it"
            raise FaultRefused.naming_valid(f"{fault.kind}: {setting}: {lacks} on {fault.on}", ways)
        asked.append(fault.kind if setting == "on" else setting)
    return tuple(able)


def _wants(fault: WireFault) -> Iterator[tuple[str, Collection[str]]]:
    """What narrows the requests that it is for: itself, then every selector that is set."""
    if fault.touches:
        yield "on", fault.touches
    for selector in fault.selects:
        if selector == "endpoint":
            wanted = str(fault.endpoint).casefold()
            yield selector, [sort for sort in WAYS if sort.casefold() == wanted]
        else:
            yield selector, TOLD_BY[selector]


def _see_category(fault: WireFault, category: str, topology: Topology) -> None:
    """A site has policies of its own making, and those that its topology names."""
    named = (policy.category for policy in topology.security.policies)
    valid = tuple(dict.fromkeys((CATEGORY, RESYNC_CATEGORY, *(name for name in named if name))))
    if category.casefold() not in {name.casefold() for name in valid}:
        raise FaultRefused(
            f"{fault.kind}: category: no policy of this site has the category {category!r}; "
            f"valid: {', '.join(valid)}"
        )
