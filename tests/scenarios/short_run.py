"""A short run on a real site, with an outage of the site server and one of the database, for the invariants.

One administrator, two clients, one program that is meant for the first of them; everything is written
into the history as docs/history.md says, and the evidence is collected at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.errors import ManagementPointUnavailable
from emulator.history import Event, History, merge
from emulator.site import Site
from emulator.site_database.database import SiteDatabase
from fixtures.administrator import AdministrationRefused, Administrator, key
from fixtures.checkers.evidence_of_site import boxes, collect
from fixtures.packages import PackageSource
from fixtures.scenario.changes import SiteChanges

ADMINISTRATOR = "administrator"
MEANT, OTHER = "PC01", "PC02"
SECONDS = 30.0  # real; for what takes a fraction of one
STATUS = ("SMS_GenericStatusMessage_Info", 39997)


class RecordedAdministrator:
    """What the administrator does, with what was acknowledged of it."""

    def __init__(self, administrator: Administrator, history: History) -> None:
        self._administrator = administrator
        self._history = history

    @asynccontextmanager
    async def operation(self, what: str, **detail: Any) -> AsyncIterator[dict[str, Any]]:
        """Refusals are recorded, and end what stands in the block."""
        operation, evidence = self._history.invoke(ADMINISTRATOR, what, **detail), dict[str, Any]()
        try:
            yield evidence
        except AdministrationRefused as exc:
            never = isinstance(exc.__cause__, aiohttp.ClientConnectorError)
            end = operation.fail if never or 400 <= (exc.status or 500) < 500 else operation.unknown
            end(seen=str(exc), status=exc.status)
        else:
            operation.ok(**evidence)

    async def look(self) -> None:
        async with self.operation("query", class_name="SMS_Site"):
            await self._administrator.query("SMS_Site")

    async def change(self, advertisement: str, **values: Any) -> None:
        async with self.operation("change_advertisement", advertisement=advertisement, values=values):
            await self._administrator.change("SMS_Advertisement", key(advertisement), **values)

    async def package(self, source: Path) -> str:
        admin = self._administrator
        async with self.operation("create_package", name=source.name) as evidence:
            evidence["package_id"] = package = await admin.create_package(source.name, source)
        async with self.operation("create_program", package_id=package, program="Install"):
            await admin.create_program(package)
        async with self.operation("distribute_package", package_id=package) as evidence:
            evidence["points"] = await admin.distribute(package)
        await admin.until_installed(package, 1, seconds=SECONDS)
        return package

    async def advertise(self, name: str, package: str, client: SimulatedClient) -> str:
        admin, who = self._administrator, [client.settings.name]
        async with self.operation("create_collection", name=name, clients=who) as evidence:
            resource = await admin.resource_id(client.smsid)
            evidence["collection_id"] = collection = await admin.create_collection(name, [resource])
        advertisement = ""
        async with self.operation(
            "create_advertisement", name=name, clients=who, package_id=package, mandatory=True
        ) as evidence:
            advertisement = await admin.create_advertisement(name, package, collection)
            evidence["advertisement"] = advertisement
        return advertisement


class ShortRun:
    """The run: one step after the other, always the same."""

    def __init__(self, site: Site, folder: Path, changes: SiteChanges, admin: RecordedAdministrator) -> None:
        self._site = site
        self._folder = folder
        self._changes = changes
        self._admin = admin
        self.package = ""

    async def prepare(self) -> None:
        source = PackageSource("tool", {"setup.exe": 3000, "data/more.cab": 900}).write(self._folder, seed=7)
        self.package = await self._admin.package(source)
        await self._admin.look()

    @asynccontextmanager
    async def client(
        self, name: str, history: History, made: Callable[..., SimulatedClient] = SimulatedClient
    ) -> AsyncIterator[SimulatedClient]:
        """A registered client."""
        settings = ClientSettings(
            name=name,
            management_point=self._site.url("management_point"),
            site_code=self._site.site_code,
            data=self._folder / name,
            request_timeout=10.0,
            schedules_enabled=False,
        )
        client = made(settings, self._site.clock, history)
        await client.start()
        try:
            await client.register()
            yield client
        finally:
            await client.stop()

    async def advertise(self, client: SimulatedClient) -> str:
        """The program is advertised to this client, and it runs it."""
        name = f"for {client.settings.name}"
        advertisement = await self._admin.advertise(name, self.package, client)
        await self.assigned(advertisement, "1.00")
        await client.policy_agent.request_assignments()
        await client.policy_agent.download_bodies()
        # The content is there before the program is looked at: what runs comes out of the cache.
        await client.content_access.download(client.execution_manager.policies()[advertisement])
        await client.execution_manager.run_due()
        return advertisement

    async def assigned(self, advertisement: str, version: str) -> None:
        """Wait until the site has made this version of the advertisement's policy, and assigned it."""

        async def made() -> bool:
            count = await self._changes.database.fetchval(
                "SELECT count(*) FROM ResPolicyMap m JOIN PolicyAssignment a USING (PADBID)"
                " JOIN Policy p USING (PolicyID, Version)"
                " WHERE p.SourceID = $1 AND a.Version = $2 AND NOT m.IsTombstoned",
                advertisement,
                version,
            )
            return bool(count)

        assert await self._changes.until(made, SECONDS), f"{advertisement} did not become {version}"

    async def change(self, client: SimulatedClient, advertisement: str) -> None:
        """The advertisement is changed, and the client asks again: its policy has a new version."""
        now = self._site.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        await self._admin.change(advertisement, Comment="changed", PresentTime=now)
        await self.assigned(advertisement, "2.00")
        await client.refresh_policy()

    async def report(self, *clients: SimulatedClient, rounds: int = 2) -> None:
        for client in clients:
            for _ in range(rounds):
                await client.status_agent.raise_event(STATUS[0], {"What": "short run"}, STATUS[1])
                await client.state_agent.raise_state(800, client.smsid, 1)
            await client.messaging.flush()

    async def without_site_server(self, *clients: SimulatedClient) -> None:
        async with self._site.offline("site_server"):
            await self._admin.look()
            await self.report(*clients)
            for client in clients:
                with contextlib.suppress(ManagementPointUnavailable):
                    await client.policy_agent.request_assignments()
                with contextlib.suppress(ManagementPointUnavailable):
                    await client.location_services.content_locations(self.package, 1)

    async def without_database(self, *clients: SimulatedClient) -> None:
        async with self._site.offline("site_database"):
            await self._admin.look()
            await self.report(*clients)
            for client in clients:
                with contextlib.suppress(ManagementPointUnavailable):
                    await client.policy_agent.request_assignments()

    async def until_drained(self, *clients: SimulatedClient) -> bool:
        """Clients ask and send until nothing waits."""

        async def empty() -> bool:
            for client in clients:
                with contextlib.suppress(ManagementPointUnavailable):
                    await client.refresh_policy()
                await client.messaging.flush()
            found = boxes(self._site)
            return not (
                found["outboxes"] or found["inboxes"] or any(map(len, (c.messaging for c in clients)))
            )

        return await self._changes.until(empty, SECONDS)


@asynccontextmanager
async def short_run(site: Site, folder: Path) -> AsyncIterator[ShortRun]:
    """A run on a started site; its package is there."""
    database = SiteDatabase(site.dsn, timeout=10.0, max_size=2, name="short-run")
    await database.open()
    try:
        async with (
            Administrator(site.url("site_server"), site.secret, timeout=30.0) as administrator,
            SiteChanges(database) as changes,
        ):
            run = ShortRun(site, folder, changes, RecordedAdministrator(administrator, site.history))
            await run.prepare()
            yield run
    finally:
        await database.close()


async def judged(site: Site, run: ShortRun, *clients: SimulatedClient, drained: bool = True) -> list[Event]:
    """Drain, collect the evidence, and hand out the whole history: the site's and the clients' own."""
    if drained and await run.until_drained(*clients):
        site.history.note("harness", "drained")
    notes = History(site.clock)
    await asyncio.shield(collect(site, clients, notes))
    own = {id(h): h.events for h in (site.history, *(client.history for client in clients), notes)}
    return merge(*own.values())
