"""Site: starts what a topology names, and breaks and heals it from outside.

One interface for roles in this process and roles in processes of their own, so that a test
or a scenario runs on both. Faults act on hosts; no role knows that it is being tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from emulator.addresses import assign_addresses, join_clusters
from emulator.breakable_site import READY_SECONDS, BreakableSite
from emulator.clock import ClockSettings
from emulator.errors import CannotStart, FaultRefused, SiteDatabaseUnavailable, TopologyError
from emulator.faults.fault_plan import FaultPlan
from emulator.faults.network import Network
from emulator.faults.outage import OUTAGES, SILENT, Outage
from emulator.history import History
from emulator.load_balancer import LoadBalancer, Member
from emulator.placement import whole_site
from emulator.process_host import ProcessHost
from emulator.role import Role
from emulator.role_host import DatabaseHost, InProcessHost, RoleHost, start_all
from emulator.role_process import make_role
from emulator.settings import DATABASES, ClusterAddress, RoleAddress, RoleSettings
from emulator.site_clock import SiteClock, kept_settings
from emulator.site_database import replication
from emulator.site_database.disturbance import set_read_only
from emulator.site_database.schema import ensure_schema
from emulator.site_database.server import ExternalServer, PostgresServer
from emulator.spool import write_durably
from emulator.time_lapse import Passage, pass_time, settled
from emulator.to_the_end import to_the_end
from emulator.topology import Topology

Mode = Literal["in-process", "processes", "containers"]  # the last one is a lab's (fixtures.lab)
MODES: tuple[Mode, ...] = ("in-process", "processes")
JOURNAL = 16 * 1024 * 1024  # bytes of messages that each role keeps by default


class Site(BreakableSite):
    """A running site."""

    modes: ClassVar[tuple[Mode, ...]] = MODES
    outages: ClassVar[tuple[str, ...]] = tuple(OUTAGES)
    silent: ClassVar[tuple[str, ...]] = SILENT  # of them, those in which only waiting tells
    side_by_side: ClassVar[bool] = True  # several of them at once are no burden

    def __init__(
        self,
        topology: Topology,
        *,
        mode: Mode = "in-process",
        data: Path | None = None,
        speed: float | None = None,
        dsn: str | None = None,
        parts: Mapping[str, Callable[[RoleSettings], Role]] | None = None,
        history: History | None = None,
        database_timeout: float = 2.0,
        link_timeout: float = 2.0,
        links: bool = False,
        journal: int = JOURNAL,
        postgres: PostgresServer | None = None,
        log_dir: Path | None = None,
        listen: str | None = None,
        public_host: str = "localhost",
        secret: str | None = None,
    ) -> None:
        """A site of this topology, not started yet.

        ``database_timeout``, ``link_timeout``: real seconds that roles wait for the site database, and for
        each other; on a machine that stalls now and then, two are few.
        ``links``: put a relay on every arrow from one role to another, so that it can be cut.
        ``journal``: bytes of messages that each role keeps; 0 for none.
        ``log_dir``: where roles in processes of their own write the product's logs, a folder each; for those
        in this process, whoever runs it holds ``logs_in``.
        ``postgres``: a server that several sites use one after the other; it can be broken like an own one,
        and runs again when the site has stopped.
        ``speed``: site seconds per real second; None: as the folder keeps it, 1 at first.
        ``listen``: the site stands in one container: every role listens on this address, on its fixed port
        (``placement.ports``), and tells clients that it answers there under ``public_host``.
        """
        if not isinstance(topology, Topology):
            raise TopologyError(f"{topology!r} is no Topology; fixtures.site.Site takes names and paths, too")
        if mode not in self.modes:
            raise TopologyError(f"unknown mode {mode!r}; valid: {', '.join(self.modes)}")
        if parts and mode != "in-process":
            raise TopologyError("other parts can be put in place of a role only in the mode 'in-process'")
        self.topology = topology
        self.mode: Mode = mode
        self._temporary = data is None
        self.data = data or Path(tempfile.mkdtemp(prefix="cmemu-"))
        self._parts = dict(parts or {})
        self._speed = speed
        self._given_dsn = dsn
        self._shared_postgres = postgres
        self._log_dir = log_dir
        self._database_timeout = database_timeout
        self._link_timeout = link_timeout
        self._given_history = history
        self._with_links = links
        self._journal_bytes = journal
        self._listen, self._public_host = listen, public_host
        self._given_secret = secret
        self.network: Network | None = None
        self.balancers: list[LoadBalancer] = []
        self._hosts: dict[str, RoleHost] = {}
        self._broken: dict[str, Outage] = {}
        self._faults = FaultPlan(self)
        # Who runs clients beside the site may enter their folders, so that faults find their disks.
        self.client_folders: dict[str, Path] = {}
        self._told: dict[str, str] = {}  # what the site database said of clients and policies

    # -- starting and stopping -----------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await to_the_end(self.stop())

    async def start(self) -> None:
        """Start every role; returns when each of them answers and the site knows its systems.

        Raises:
            CannotStart, SchemaVersionMismatch, SiteDatabaseUnavailable: with what to do about it.
        """
        try:
            self._remember()
            await self._enrol_observer()
            self._hosts = {address.name: self._host(address) for address in self.roles.values()}
            await self._start_network()
            await self._start_databases()
            await start_all([h for h in self._hosts.values() if not isinstance(h, DatabaseHost)])
            await self._start_balancers()
            async with asyncio.timeout(READY_SECONDS):
                await self._registered()
        except BaseException:
            await self.stop()
            raise
        self.history.note(
            "site",
            "started",
            mode=self.mode,
            topology=self.topology.name,
            site_code=self.site_code,
            roles={role.name: role.kind for role in self.roles.values()},
            computers={role.name: role.computer for role in self.roles.values()},
        )

    def _remember(self) -> None:
        """Addresses, secret and clock stay the same when a kept folder is started again."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CannotStart(f"{self.data}: the folder cannot be written ({exc.strerror})") from exc
        file = self.data / "site.json"
        self._is_kept = file.exists()
        if self._is_kept:
            kept = json.loads(file.read_text(encoding="utf-8"))
            addresses = tuple(RoleAddress.model_validate(a) for a in kept["roles"])
            if [(a.name, a.computer) for a in addresses] != [
                (r.name, r.computer) for r in self.topology.roles
            ]:
                raise CannotStart(f"{file}: the folder belongs to another topology, {kept['topology']!r}")
            if self._listen:
                addresses = whole_site(self.topology, self._public_host)
            self.secret = self._given_secret or str(kept["secret"])
            ports = kept.get("links")
        else:
            found = (
                whole_site(self.topology, self._public_host)
                if self._listen
                else assign_addresses(self.topology)
            )
            addresses = join_clusters(self.topology, tuple(self._placed(a) for a in found))
            ports = None
            self.secret = self._given_secret or secrets.token_urlsafe(24)
        self.roles: dict[str, RoleAddress] = {address.name: address for address in addresses}
        if self._with_links:
            self.network = Network(addresses, ports)
        self.clock = SiteClock(self.data, kept_settings(self.data, self._speed), self.topology)
        self.clock.on_changed = self._tell_of_clock
        self.history = self._given_history or History(self.clock, self.data / "history.jsonl")
        self.clock.history = self.history
        kept = {
            "topology": self.topology.name,
            "secret": self.secret,
            "roles": [a.model_dump() for a in addresses],
            "links": self.network.ports if self.network else ports,
        }
        try:
            write_durably(file, json.dumps(kept, indent=1).encode())
        except OSError as exc:
            raise CannotStart(f"{self.data}: the folder cannot be written ({exc.strerror})") from exc

    def _placed(self, address: RoleAddress) -> RoleAddress:
        """A shared PostgreSQL answers where it is."""
        shared = self._shared_postgres
        if shared is None or address.kind != "site_database":
            return address
        return address.model_copy(update={"host": shared.host, "port": shared.port})

    def _host(self, address: RoleAddress) -> RoleHost:
        if address.kind in DATABASES:
            return DatabaseHost(address, self._database(address))
        settings = self.settings(address.name)
        if self.mode == "processes":
            return ProcessHost(settings)
        return InProcessHost(settings, self._parts.get(address.kind, make_role))

    async def _start_network(self) -> None:
        if self.network:
            if self._given_dsn:
                raise CannotStart("links: the way to a database given by DSN is not the site's to cut")
            for name, host in self._hosts.items():
                host.links = self.network.of(name)
            await self.network.start()

    async def _start_balancers(self) -> None:
        clusters: dict[ClusterAddress, list[Member]] = {}
        for address in self.roles.values():
            if address.cluster:
                at = self._seen_from_outside(address)
                clusters.setdefault(address.cluster, []).append(Member(address.name, at.host, at.port))
        for cluster, members in clusters.items():
            balancer = LoadBalancer(cluster.host, cluster.port, members, self._note_convergence)
            await balancer.start()
            self.balancers.append(balancer)

    def _note_convergence(self, member: str, inside: bool) -> None:
        self.history.note("network", "converged", member=member, inside=inside)

    def _database(self, address: RoleAddress) -> PostgresServer | ExternalServer:
        settings: Mapping[str, str] = replication.SUBSCRIBER_SETTINGS
        if address.kind == "site_database":
            if self._given_dsn:
                return ExternalServer(self._given_dsn)
            if self._shared_postgres:
                return self._shared_postgres
            settings = replication.PUBLISHER_SETTINGS if self._replicas else {}
        elsewhere = {"listen": self._listen, "password": self.secret} if self._listen else {}
        return PostgresServer(self.data / address.name, address.host, address.port, settings, **elsewhere)

    async def _start_databases(self) -> None:
        """The site database and its replicas, and what the one gives to the others."""
        if (self._given_dsn or self._shared_postgres) and self._replicas:
            raise CannotStart("database_replica: a database that is not the site's own has no replica here")
        await start_all([h for h in self._hosts.values() if isinstance(h, DatabaseHost)])
        host = self._hosts[self.only("site_database").name]
        if isinstance(host, DatabaseHost) and self._is_kept and not self._given_dsn:
            await host.server.accept_sessions()  # a run that died may have left faults in a kept folder
            await set_read_only(host.server.dsn(), read_only=False)
        await self._make_site_database()
        if self._replicas:
            await replication.publish(self.dsn)
        for replica in self._replicas:
            await replication.subscribe(
                self.database_of(replica.name), replica.name, self._dsn_for(replica.name)
            )

    async def _make_site_database(self) -> None:
        site_server = self.only("site_server")
        await ensure_schema(
            self.dsn,
            site_code=self.topology.site_code,
            site_name=self.topology.site_name,
            server_name=site_server.computer,
        )

    async def _registered(self) -> None:
        """The site server has entered every site system: from now on locations can be found."""
        async with self.database() as db:
            while True:
                with contextlib.suppress(SiteDatabaseUnavailable):
                    known = await db.fetchval("SELECT count(*) FROM SysResList WHERE RoleName LIKE '%Point'")
                    wanted = sum(r.kind.endswith("_point") for r in self.roles.values())
                    if known >= wanted:
                        return
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End every role in order, the database last; a temporary folder goes with the site."""
        hosts = list(self._hosts.values())
        roles = [h for h in hosts if not isinstance(h, DatabaseHost)]
        databases = [h for h in hosts if isinstance(h, DatabaseHost)]
        replicas = [h for h in databases if h.address.kind == "database_replica"]
        await self._faults.close()
        for name, fault in list(self._broken.items()):
            # A silent database would keep every role waiting; a shared one is needed by the next site.
            shared = self._shared_postgres and isinstance(self._hosts[name], DatabaseHost)
            if fault.kind in SILENT or shared:
                with contextlib.suppress(FaultRefused):
                    await fault.lift(self._hosts[name])
        self._broken.clear()
        # A site database takes leave of its replicas, slowly; so they go first.
        for group in (roles, replicas, [] if self._shared_postgres else databases):
            await asyncio.gather(*(h.stop() for h in group), return_exceptions=True)
        for balancer in self.balancers:
            await balancer.stop()
        self.balancers = []
        if self.network:
            await self.network.stop()
        self._hosts = {}
        if getattr(self, "history", None) and self._given_history is None:
            self.history.close()
        if self._temporary:
            shutil.rmtree(self.data, ignore_errors=True)

    # -- the clock ---------------------------------------------------------------------

    async def set_clock(
        self,
        *,
        speed: float | None = None,
        frozen: bool | None = None,
        advance: float | None = None,
        skew: Mapping[str, float] | None = None,
    ) -> ClockSettings:
        """Change the clock of the whole site, in whatever process; see ``SiteClock.set``."""
        return self.clock.set(speed=speed, frozen=frozen, advance=advance, skew=skew)

    def _tell_of_clock(self) -> None:
        for host in self._hosts.values():
            host.clock_changed()

    async def settled(self) -> None:
        """Return when everybody in this process has done what there was to do at this site time.

        Raises:
            ClockRefused: roles of other processes cannot be asked.
        """
        await settled(self.clock, list(self._hosts.values()), self.mode)

    async def pass_time(self, site_seconds: float) -> Passage:
        """Let site time pass in steps, from one due time to the next, as fast as the work is done.

        Raises:
            ClockRefused: as ``settled``, or the time is none.
        """
        return await pass_time(self, site_seconds)
