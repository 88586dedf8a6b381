"""What the control API does to a site: one method for each of its routes, models in and models out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from emulator.control import models as m
from emulator.control.metrics import Metrics
from emulator.control.readiness import Readiness, reached
from emulator.errors import ObjectNotFound
from emulator.history import Event
from emulator.settings import DATABASES
from emulator.site import Site
from emulator.snapshots import Snapshot, Snapshots

NEWEST = 10  # messages that are named when another was asked for
Reproduce = Callable[[m.ReproduceRequest], Awaitable[dict[str, Any]]]


class Fleet(Protocol):
    """The clients that belong to the site."""

    def views(self) -> list[m.ClientView]: ...

    async def trigger(self, client: str, schedule: str) -> m.ClientView:
        """Raises ObjectNotFound: no client, or no schedule, is called so."""

    async def save(self, folder: Path) -> None: ...

    async def load(self, folder: Path) -> None: ...


class Control:
    """One site under control."""

    def __init__(self, site: Site, fleet: Fleet | None = None, reproduce: Reproduce | None = None) -> None:
        self._site = site
        self._fleet = fleet
        self._reproduce = reproduce
        self._readiness = Readiness(site)
        self._snapshots = Snapshots(site, fleet)
        self._metrics = Metrics(site)

    # -- looking ---------------------------------------------------------------------

    async def health(self, query: m.HealthQuery) -> tuple[m.Health, int]:
        health = await self._readiness.health()
        return health, 200 if reached(health, query.stage) else 503

    async def topology(self) -> m.TopologyView:
        site = self._site
        roles = [
            m.RoleView(
                name=role.name,
                kind=role.kind,
                computer=role.computer,
                address=site.database_of(role.name) if role.kind in DATABASES else site.url(role.name),
                offline=site.broken.get(role.name),
            )
            for role in site.roles.values()
        ]
        return m.TopologyView(name=site.topology.name, site_code=site.site_code, mode=site.mode, roles=roles)

    async def history(self, query: m.HistoryQuery) -> m.HistoryView:
        def wanted(event: Event) -> bool:
            return query.who in (None, event.who) and query.what in (None, event.what)

        found = [e for e in self._site.history.events[query.after + 1 :] if wanted(e)]
        return m.HistoryView(events=[asdict(event) for event in found[: query.limit]])

    async def journal(self, query: m.JournalQuery) -> m.JournalView:
        found = self._site.journal.search(limit=query.limit, after=query.after, **query.fields())
        return m.JournalView(entries=[dict(entry.fields) for entry in found])

    async def count(self, query: m.JournalQuery) -> m.Count:
        return m.Count(count=self._site.journal.count(after=query.after, **query.fields()))

    async def expect(self, body: m.Expectation) -> m.JournalView:
        journal = self._site.journal
        found = await (journal.wait if body.or_more else journal.expect)(
            times=body.times, within=body.within, after=body.after, **body.fields()
        )
        return m.JournalView(entries=[dict(entry.fields) for entry in found])

    async def body(self, role: str, number: str) -> bytes:
        journal = self._site.journal
        if role not in self._site.roles:
            raise ObjectNotFound.naming_valid(f"no role is called {role!r}", self._site.roles)
        there = {str(entry.number): entry for entry in journal.search(role=role)}
        if number not in there:
            newest = list(there)[-NEWEST:]
            raise ObjectNotFound.naming_valid(
                f"the journal of {role!r} holds no message {number!r} among its {len(there)}",
                newest,
                also=", the newest of them" if newest else "",
            )
        return journal.body(there[number])

    async def metrics(self) -> bytes:
        return self._metrics.text()

    # -- breaking and healing ----------------------------------------------------------

    async def faults(self) -> m.Faults:
        views = [
            m.FaultView(id=f.id, fault=dict(f.spec), hits=f.hits, active=f.active, lifted=f.lifted)
            for f in self._site.faults()
        ]
        return m.Faults(faults=views)

    async def set_fault(self, body: m.FaultTable) -> m.FaultId:
        await self._snapshots.settled()
        return m.FaultId(id=await self._site.set_fault(body.model_dump()))

    async def lift_faults(self) -> m.Faults:
        await self._site.lift_faults()
        return await self.faults()

    async def lift_fault(self, fault: str) -> m.Done:
        there = {status.id: status.active for status in self._site.faults()}
        if fault not in there:
            set_now = [each for each, active in there.items() if active]
            raise ObjectNotFound.naming_valid(f"no fault has the id {fault!r}", set_now)
        return m.Done(done=await self._site.lift_fault(fault))

    async def stop_role(self, target: str) -> m.Done:
        return m.Done(done=await self._break(target, "stopped"))

    async def kill_role(self, target: str) -> m.Done:
        return m.Done(done=await self._break(target, "killed"))

    async def hang_role(self, target: str) -> m.Done:
        return m.Done(done=await self._break(target, "hung"))

    async def _break(self, target: str, fault: str) -> dict[str, str]:
        await self._snapshots.settled()
        return await self._site.break_(target, fault)

    async def heal_role(self, target: str) -> m.Done:
        return m.Done(done=await self._site.heal(target))

    async def heal(self) -> m.Done:
        return m.Done(done=await self._site.heal_everything())

    # -- time ----------------------------------------------------------------------------

    async def clock(self) -> m.ClockView:
        clock = self._site.clock
        return m.ClockView(
            speed=clock.speed, frozen=clock.frozen, site_time=clock.time(), skew=dict(clock.settings.skew)
        )

    async def set_clock(self, body: m.ClockChange) -> m.ClockView:
        await self._site.set_clock(speed=body.speed, frozen=body.frozen, advance=body.advance, skew=body.skew)
        return await self.clock()

    # -- clients -------------------------------------------------------------------------

    async def clients(self) -> m.Clients:
        return m.Clients(clients=self._fleet.views() if self._fleet else [])

    async def trigger(self, client: str, body: m.Trigger) -> m.ClientView:
        if self._fleet is None:
            raise ObjectNotFound.naming_valid(f"no client is called {client!r}", ())
        return await self._fleet.trigger(client, body.schedule)

    # -- going back ----------------------------------------------------------------------

    async def prepare(self) -> None:
        """Keep the site as it is now, to be reset to."""
        await self._snapshots.prepare_reset()

    async def close(self) -> None:
        """End what it does beside the site."""
        await self._snapshots.close()

    async def reset(self) -> m.SnapshotView:
        return _view(await self._snapshots.reset())

    async def snapshots(self) -> m.SnapshotList:
        there = self._snapshots
        return m.SnapshotList(
            snapshots=[_view(snapshot) for snapshot in there.list()],
            unusable=[m.UnusableSnapshot(name=n, reason=why) for n, why in there.unusable().items()],
        )

    async def save_snapshot(self, body: m.SnapshotName) -> m.SnapshotView:
        return _view(await self._snapshots.save(body.name))

    async def load_snapshot(self, name: str) -> m.SnapshotView:
        return _view(await self._snapshots.load(name))

    async def delete_snapshot(self, name: str) -> m.SnapshotList:
        await self._snapshots.delete(name)
        return await self.snapshots()

    # -- the failure table ---------------------------------------------------------------

    async def reproduce(self, body: m.ReproduceRequest) -> m.Report:
        if self._reproduce is None:
            raise ObjectNotFound("this site was started without the failure table")
        return m.Report.model_validate(await self._reproduce(body))


def _view(snapshot: Snapshot) -> m.SnapshotView:
    return m.SnapshotView(
        name=snapshot.name,
        taken=snapshot.taken,
        topology=snapshot.topology,
        roles=list(snapshot.roles),
        clients=snapshot.clients,
    )
