"""The faults of one site: set, counted, healed after their time, and lifted."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import ConfigMgrError, FaultRefused
from emulator.faults.fault import Fault, Memory, RoleFault
from emulator.faults.link import BOTH, Link
from emulator.faults.offline import PartitionedRole
from emulator.faults.refused import RefusedLink
from emulator.faults.registry import read_fault
from emulator.faults.scope import Scope, scope_of
from emulator.faults.surroundings import Surroundings
from emulator.faults.wire_fault import Planned, WireFault
from emulator.history import Operation

# Real seconds after which a fault that could not be lifted at its time is tried again, though nothing has
# changed as far as is known; twice as many after each attempt, up to the second number.
AGAIN = (1.0, 30.0)


@dataclass(frozen=True, slots=True)
class FaultStatus:
    """One fault that was set: whether it still strikes, and how often it has.

    A spent one is neither active nor lifted: it strikes nobody else, and what it has struck stays so (a
    reply that hangs goes on hanging) until it is lifted.
    """

    id: str
    spec: Mapping[str, Any]  # as it was set
    hits: int  # exchanges on a link; roles
    active: bool  # neither lifted, nor healed, nor spent
    lifted: bool  # by somebody, or by itself after its time

    @property
    def state(self) -> str:
        """In a word: ``set``, ``spent`` or ``over``."""
        return "over" if self.lifted else "set" if self.active else "spent"


@dataclass(slots=True)
class _Set:
    id: str
    spec: Mapping[str, Any]
    fault: Fault
    roles: dict[str, Memory] = field(default_factory=dict)  # those it was done to
    back: dict[str, str] = field(default_factory=dict)  # those it was taken back from, and how
    links: list[Link] = field(default_factory=list)
    planned: Planned | None = None
    lifted: bool = False
    healing: asyncio.Task[None] | None = None

    def status(self) -> FaultStatus:
        hits = self.planned.hits if self.planned else len(self.roles) + len(self.links)
        spent = self.planned is not None and self.planned.spent
        return FaultStatus(self.id, self.spec, hits, not (self.lifted or spent), self.lifted)

    def ails(self, role: str) -> bool:
        """Whether a role has it still."""
        return role in self.roles and role not in self.back


class FaultPlan:
    """Every fault that was set on a site since it started."""

    def __init__(self, site: Surroundings) -> None:
        self._site = site
        self._faults: dict[str, _Set] = {}
        self._numbers: Counter[str] = Counter()
        self._one_at_a_time = asyncio.Lock()
        self._better = asyncio.Event()  # something has come back; each is waited for once

    def statuses(self) -> list[FaultStatus]:
        return [entry.status() for entry in self._faults.values()]

    async def set(self, spec: Mapping[str, Any]) -> str:
        """Set a fault; returns its id.

        Raises:
            FaultRefused: the table is wrong, or the fault cannot be done here; nothing has changed then.
        """
        fault = read_fault(spec)
        scope = scope_of(fault, self._site.topology, self._site.client_folders)
        async with self._one_at_a_time:
            entry = _Set(f"{fault.kind}-{self._numbers[fault.kind] + 1}", dict(spec), fault)
            await self._apply(entry, scope)
            self._numbers[fault.kind] += 1
            self._faults[entry.id] = entry
        if fault.duration is not None:
            entry.healing = asyncio.get_running_loop().create_task(self._heal(entry, fault.duration))
        return entry.id

    async def _apply(self, entry: _Set, scope: Scope) -> None:
        targets = [*scope.roles, *(str(arrow) for arrow in scope.arrows)]
        operation = self._site.history.invoke(
            "operator", "set_fault", id=entry.id, fault=entry.fault.kind, spec=entry.spec, targets=targets
        )
        try:
            if scope.arrows:
                done = await self._set_on_links(entry, self._links(entry.fault, targets))
            else:
                done = await self._set_on_roles(entry, scope.roles)
        except BaseException as exc:
            operation.fail(reason=str(exc))
            raise
        operation.ok(id=entry.id, done=done)

    def _links(self, fault: Fault, arrows: list[str]) -> list[Link]:
        if self._site.network is None:
            raise FaultRefused(
                f"{fault.kind}: {', '.join(arrows)}: the site has no links; start it with links"
            )
        return [link for arrow, link in self._site.network.links.items() if str(arrow) in arrows]

    async def _set_on_links(self, entry: _Set, links: list[Link]) -> dict[str, str]:
        entry.links = links
        if isinstance(entry.fault, WireFault):
            entry.planned = Planned(entry.id, entry.fault, self._site)
            for link in links:
                await link.set(entry.planned)
            return {str(link.arrow): f"{entry.fault.kind} acts on its relay" for link in links}
        if isinstance(entry.fault, RefusedLink):
            await asyncio.gather(*(link.refuse(entry.id) for link in links))
            return {str(link.arrow): link.state for link in links}
        if not isinstance(entry.fault, PartitionedRole):
            raise FaultRefused(f"{entry.fault.kind}: on: a link cannot have it; valid: a role or a computer")
        direction = entry.fault.direction
        directions = BOTH if direction == "both" else frozenset({direction})
        await asyncio.gather(*(link.cut(entry.id, directions) for link in links))
        return {str(link.arrow): link.state for link in links}

    async def _set_on_roles(self, entry: _Set, roles: tuple[str, ...]) -> dict[str, str]:
        fault = entry.fault
        assert isinstance(fault, RoleFault)
        for role in roles:
            self._see_that_it_is_well(role, fault)
            fault.check(self._site, role)
        done: dict[str, str] = {}
        try:
            for role in roles:
                memory: Memory = {}
                done[role] = await fault.apply(self._site, role, memory)
                entry.roles[role] = memory
        except BaseException:
            for role, memory in entry.roles.items():
                with contextlib.suppress(ConfigMgrError):
                    await fault.lift(self._site, role, memory)
            raise
        return done

    def _see_that_it_is_well(self, role: str, fault: RoleFault) -> None:
        """Two of a kind would each bring back what it found: the second, what the first has done."""
        for entry in self._faults.values():
            if fault.alone and entry.fault.kind == fault.kind and entry.ails(role):
                raise FaultRefused(f"{fault.kind}: {role} has it already ({entry.id}): lift that first")

    async def lift(self, fault_id: str) -> dict[str, str]:
        """Lift a fault; one that has healed by itself is left as it is. Returns what was done where.

        Raises:
            FaultRefused: no fault has this id; those that are set are listed. Or it cannot be lifted now:
                one with a duration is lifted later, when it can be.
            SiteDatabaseUnavailable: the database would have to be there.
        """
        entry = self._faults.get(fault_id)
        if entry is None:
            raise FaultRefused.naming_valid(
                f"no fault has the id {fault_id!r}", (e.id for e in self._faults.values() if not e.lifted)
            )
        done = await self._lift(entry, "operator")
        if entry.healing:
            entry.healing.cancel()
        return done

    async def lift_all(self) -> None:
        """Lift every fault, the last one first; each is tried, whatever becomes of the others.

        Raises:
            ConfigMgrError: what went wrong first.
        """
        errors = []
        for entry in reversed(list(self._faults.values())):
            try:
                await self.lift(entry.id)
            except ConfigMgrError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]

    async def close(self) -> None:
        """The site ends: lift what would outlive it, and what would keep it from ending."""
        for entry in reversed(list(self._faults.values())):
            if entry.healing:
                entry.healing.cancel()
            if isinstance(entry.fault, RoleFault) and entry.fault.ends_with_site:
                continue  # starting a role again only to stop it
            with contextlib.suppress(ConfigMgrError, OSError):
                await self.lift(entry.id)

    async def _heal(self, entry: _Set, duration: float) -> None:
        """After its time lift it; when that cannot be done, as soon as it can, unless somebody else does."""
        await self._site.clock.sleep(duration)
        pause, longest = AGAIN
        while not entry.lifted:
            better = self._better
            try:
                await self._lift(entry, "duration")
            except ConfigMgrError:  # told in the history
                # What is away comes back by our doing, and that is told. Of anything else nobody tells.
                away = any(role in self._site.broken for role in entry.roles)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if away else pause):
                        await better.wait()
                pause = min(2 * pause, longest)

    def something_is_back(self) -> None:
        """What could not be lifted may be possible now: a role is there again, a fault was lifted."""
        self._better.set()
        self._better = asyncio.Event()

    async def _lift(self, entry: _Set, by: str) -> dict[str, str]:
        async with self._one_at_a_time:
            if entry.lifted:
                return {}
            operation = self._site.history.invoke(
                "operator", "lift_fault", id=entry.id, fault=entry.fault.kind, by=by
            )
            try:
                done = await self._take_back(entry)
            except BaseException as exc:
                operation.fail(reason=str(exc))
                raise
            entry.lifted = True
            self.something_is_back()
            return _told(operation, done, entry)

    async def _take_back(self, entry: _Set) -> dict[str, str]:
        done: dict[str, str] = {}
        for link in entry.links:
            if entry.planned:
                link.lift(entry.planned)
                done[str(link.arrow)] = "passes everything as it comes again"
            else:
                await link.mend(entry.id)
                await link.admit(entry.id)
                done[str(link.arrow)] = link.state
        if isinstance(entry.fault, RoleFault):
            await self._take_back_from_roles(entry, entry.fault)
        return done | entry.back

    async def _take_back_from_roles(self, entry: _Set, fault: RoleFault) -> None:
        """From each, whatever becomes of the others; one that is done is not done again."""
        errors: list[ConfigMgrError] = []
        for role, memory in entry.roles.items():
            if not entry.ails(role):
                continue
            try:
                entry.back[role] = await fault.lift(self._site, role, memory)
            except ConfigMgrError as exc:
                errors.append(exc)
            except OSError as exc:
                errors.append(FaultRefused(f"{entry.id}: {role}: cannot be lifted now ({exc})"))
        if errors:
            raise errors[0]


def _told(operation: Operation, done: dict[str, str], entry: _Set) -> dict[str, str]:
    operation.ok(id=entry.id, done=done, hits=entry.status().hits)
    return done
