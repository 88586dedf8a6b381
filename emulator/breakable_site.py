"""Breaking a site and healing it: outages of roles and computers, cut links, faults as tables.

Faults act on hosts and links from outside; no role knows that it is being tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from emulator.errors import ConfigMgrError, FaultRefused, SiteDatabaseUnavailable
from emulator.faults.fault_plan import FaultPlan, FaultStatus
from emulator.faults.link import Link
from emulator.faults.network import OUTSIDERS
from emulator.faults.outage import Outage, outage
from emulator.history import History
from emulator.load_balancer import LoadBalancer
from emulator.probed_site import ProbedSite
from emulator.role_host import DatabaseHost, RoleHost, all_go_on, all_rest
from emulator.site_database import replication
from emulator.to_the_end import to_the_end

READY_SECONDS = 30.0
BY_HAND = "by hand"  # who cut a link that no role's partition cut


class BreakableSite(ProbedSite):
    """A site that can be broken."""

    history: History
    balancers: list[LoadBalancer]
    _broken: dict[str, Outage]
    _faults: FaultPlan
    _told: dict[str, str]  # what the site database said of clients and policies

    async def break_(self, target: str, fault: str = "stopped") -> dict[str, str]:
        """Take a role, every role of a kind, or a whole computer away.

        Returns what was done to each role. A role that is away already is left as it is.

        Raises:
            TopologyError: unknown target. FaultRefused: unknown fault, or not possible here.
        """
        roles = [r.name for r in self.topology.resolve(target)]
        kind = outage(fault, of_computer=self.topology.is_computer(target))
        operation = self.history.invoke("operator", "break", target=target, fault=fault, roles=roles)
        done = await self._break_roles([name for name in roles if name not in self._broken], kind)
        operation.ok(done=done)
        return done

    async def _break_roles(self, names: list[str], fault: Outage) -> dict[str, str]:
        results = await asyncio.gather(
            *(fault.apply(self._hosts[name]) for name in names), return_exceptions=True
        )
        done: dict[str, str] = {}
        errors: list[BaseException] = []
        for name, result in zip(names, results, strict=True):
            if isinstance(result, BaseException):
                errors.append(result)
                continue
            self._broken[name] = fault
            done[name] = result
        if errors:
            for name in done:  # all or none; what others broke stays broken
                await self.bring_back(name)
            raise errors[0]
        await self._converge()
        return done

    async def _converge(self) -> None:
        """Clusters notice by themselves, a moment later; whoever breaks or heals waits for it."""
        await asyncio.gather(*(balancer.converge() for balancer in self.balancers))

    async def replicated(self) -> None:
        """Wait until every replica has what is in the site database now.

        Raises:
            SiteDatabaseUnavailable: the site database does not say.
        """
        if self._replicas:
            async with self.database(READY_SECONDS) as db, asyncio.timeout(READY_SECONDS):
                await replication.caught_up(db, len(self._replicas))

    async def heal(self, target: str | None = None) -> dict[str, str]:
        """Bring back what is away (of ``target``, or everything); the database first."""
        wanted = {r.name for r in self.topology.resolve(target)} if target else set(self._broken)
        names = sorted(
            (name for name in self._broken if name in wanted),
            key=lambda name: self.roles[name].kind != "site_database",
        )
        if not names:
            return {}
        operation = self.history.invoke("operator", "heal", roles=names)
        done = {}
        for name in names:
            done[name] = await self.bring_back(name)
        await self._converge()
        operation.ok(done=done)
        return done

    async def heal_everything(self) -> dict[str, str]:
        """Bring back every role, lift every fault, mend every link; each is tried, whatever else fails.

        Roles come first: what ails one that is away cannot always be taken from it. And last: a fault may
        have taken it away. Returns what was done to roles, faults and links.

        Raises:
            ConfigMgrError: what went wrong first.
        """
        done: dict[str, str] = {}
        errors: list[ConfigMgrError] = []
        for part in (self.heal, self._lift_what_is_set, self._mend_what_is_cut, self.heal):
            try:
                done |= await part()
            except ConfigMgrError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]
        return done

    async def _lift_what_is_set(self) -> dict[str, str]:
        # Also one that is spent: what it has struck may still be held.
        found = [fault.id for fault in self.faults() if not fault.lifted]
        if found:
            await self.lift_faults()
        return dict.fromkeys(found, "lifted")

    async def _mend_what_is_cut(self) -> dict[str, str]:
        cut = [arrow for arrow, link in self.network.links.items() if link.cuts] if self.network else []
        done: dict[str, str] = {}
        for arrow in cut:
            done |= await self.mend(arrow.source, arrow.target)
        return done

    async def set_fault(self, spec: Mapping[str, Any]) -> str:
        """Set one of ``emulator.faults.registry.KINDS``, as its table describes it; returns the fault's id.

        Raises:
            FaultRefused: something in it is wrong, with what is valid; or it cannot be done here.
        """
        return await self._faults.set(spec)

    async def lift_fault(self, fault_id: str) -> dict[str, str]:
        """Lift one fault; returns what was done where.

        Raises:
            FaultRefused: no fault has this id.
        """
        return await self._faults.lift(fault_id)

    async def lift_faults(self) -> None:
        """Lift every fault that ``set_fault`` has set."""
        await self._faults.lift_all()

    def faults(self) -> list[FaultStatus]:
        """Every fault that was set since the start, those that are lifted too."""
        return self._faults.statuses()

    # -- what a fault finds around it (emulator.faults.surroundings) ---------------------

    def host(self, role: str) -> RoleHost:
        """What a role runs in."""
        return self._hosts[role]

    async def take_away(self, role: str, outage: Outage) -> str:
        """Take one role away that is there; returns what was done."""
        return (await self._break_roles([role], outage))[role]

    async def bring_back(self, role: str) -> str:
        """Bring one role back that is away; returns what was done."""
        done = await self._broken[role].lift(self._hosts[role])
        del self._broken[role]
        self._faults.something_is_back()
        return done

    async def client_name(self, smsid: str) -> str:
        """The name of the client with this identity; empty if the site database does not tell."""
        query = "SELECT Netbios_Name0 FROM System_DISC WHERE SMS_Unique_Identifier0 = $1"
        return await self._looked_up(query, smsid)

    async def policy_category(self, policy_id: str) -> str:
        """The category of a policy; empty if it has none, or the site database does not tell."""
        query = "SELECT PolicyCategory FROM Policy WHERE upper(PolicyID) = upper($1) LIMIT 1"
        return await self._looked_up(query, policy_id)

    async def _looked_up(self, query: str, key: str) -> str:
        if key not in self._told:
            try:
                async with self.database() as db:
                    found = await db.fetchval(query, key)
            except SiteDatabaseUnavailable:
                return ""
            if found is None:
                return ""
            self._told[key] = str(found)
        return self._told[key]

    async def cut(self, source: str, target: str) -> dict[str, str]:
        """Drop everything between two parts of the site: roles, kinds, computers, or outsiders.

        Returns what was done to each link.

        Raises:
            FaultRefused: the site has no such links; the ones it has are listed.
        """
        return await self._at_links("cut", source, target, lambda link: link.cut(BY_HAND))

    async def mend(self, source: str, target: str) -> dict[str, str]:
        """Let through again what was cut between two parts; returns and raises as ``cut``."""
        return await self._at_links("mend", source, target, lambda link: link.mend(BY_HAND))

    async def _at_links(
        self, what: str, source: str, target: str, deed: Callable[[Link], Awaitable[None]]
    ) -> dict[str, str]:
        if self.network is None:
            raise FaultRefused(f"no link goes from {source} to {target}; valid: none; start it with links")
        ends = [
            {e} if e in OUTSIDERS else {r.name for r in self.topology.resolve(e)} for e in (source, target)
        ]
        links = self.network.between(*ends)
        operation = self.history.invoke("operator", what, links=[str(link.arrow) for link in links])
        await asyncio.gather(*(deed(link) for link in links))
        done = {str(link.arrow): link.state for link in links}
        operation.ok(done=done)
        return done

    @property
    def broken(self) -> dict[str, str]:
        """Which roles are away, and by which fault."""
        return {name: fault.kind for name, fault in self._broken.items()}

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[list[str]]:
        """While the block runs no role runs, and PostgreSQL does; yields the names of those that rest.

        Roles that are away already stay so. Whoever is cancelled meanwhile leaves no role at rest.
        """
        names = [
            name
            for name, host in self._hosts.items()
            if not isinstance(host, DatabaseHost) and name not in self._broken
        ]
        hosts = [self._hosts[name] for name in names]
        try:
            await to_the_end(all_rest(hosts))
            yield [name for name, host in self._hosts.items() if not isinstance(host, DatabaseHost)]
        finally:
            await to_the_end(all_go_on(hosts))

    @asynccontextmanager
    async def offline(self, *targets: str, fault: str = "stopped") -> AsyncIterator[Self]:
        """While the block runs, the targets are away; afterwards they are back."""
        try:
            for target in targets:
                await self.break_(target, fault)
            yield self
        finally:
            for target in targets:
                await self.heal(target)
