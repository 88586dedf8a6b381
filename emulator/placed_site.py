"""Where a site's roles stand: addresses, folders, databases, certificates, and what each role is told."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from emulator.control.journal import Journal
from emulator.enrolment import enrol
from emulator.errors import TopologyError
from emulator.faults.network import Network
from emulator.pki import Pki
from emulator.protocol.client_certificates import CERTIFICATES
from emulator.protocol.names import fqdn
from emulator.role_host import DatabaseHost, RoleHost
from emulator.settings import DATABASES, RoleAddress, RoleSettings
from emulator.site_clock import SiteClock
from emulator.site_database.database import SiteDatabase
from emulator.site_database.server import MAINTENANCE, PostgresServer
from emulator.topology import Topology

PKI = "pki"  # the folder of the site's certificates, in the site's


class PlacedSite:
    """A site whose roles have their places."""

    topology: Topology
    data: Path
    roles: dict[str, RoleAddress]
    secret: str
    clock: SiteClock
    network: Network | None
    _hosts: dict[str, RoleHost]
    _given_dsn: str | None
    _database_timeout: float
    _link_timeout: float
    _listen: str | None
    _journal_bytes: int
    _log_dir: Path | None

    @property
    def site_code(self) -> str:
        return self.topology.site_code

    @property
    def dsn(self) -> str:
        """Where the site database answers."""
        return self.database_of(self.only("site_database").name)

    def database_of(self, role: str) -> str:
        """Where a role that is PostgreSQL answers those who look in: the site database or a replica of it."""
        address = self.roles[role]
        if self._given_dsn:
            return self._given_dsn
        dsn = self.server_dsn(role)
        return self.network.dsn("observers", address, dsn) if self.network else dsn

    @property
    def maintenance_dsn(self) -> str:
        """Where PostgreSQL answers those who make and drop databases."""
        return self.server_dsn(self.only("site_database").name, MAINTENANCE)

    def server_dsn(self, role: str, database: str | None = None) -> str:
        """Where PostgreSQL itself answers, with no relay before it; another ``database`` than the site's."""
        host = self._hosts[role]
        assert isinstance(host, DatabaseHost)
        return host.server.dsn(database) if database else host.server.dsn()

    @property
    def _replicas(self) -> list[RoleAddress]:
        return [address for address in self.roles.values() if address.kind == "database_replica"]

    def only(self, kind: str) -> RoleAddress:
        """The first role of a kind: for the management point, the site's default one."""
        for address in self.roles.values():
            if address.kind == kind:
                return address
        raise TopologyError(f"{self.topology.name}: there is no {kind}")

    def url(self, target: str) -> str:
        """The address of a role, by name; by kind, where those who use this kind of role go.

        In native mode clients are given https:// ones.
        """
        if target.lower() == "management_point":
            clusters = [a.cluster for a in self.roles.values() if a.cluster]
            if clusters:
                return clusters[0].url
        return self._seen_from_outside(self.roles[self.topology.resolve(target)[0].name]).public_url

    def _seen_from_outside(self, address: RoleAddress) -> RoleAddress:
        """Where those who use a role find it: through their link, if there are links."""
        who = "administrators" if address.kind == "site_server" else "clients"
        return self.network.as_seen(who, address) if self.network else address

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for those who work with the site; what they lay there the site server can read."""
        with tempfile.TemporaryDirectory(prefix="cmemu-clients-") as folder:
            yield Path(folder)

    @property
    def native(self) -> bool:
        """Whether clients have to speak TLS and show a certificate."""
        return self.topology.security.mode == "native"

    @property
    def pki(self) -> Pki:
        """The site's certificates, and the authority that issues its clients'."""
        return Pki(self.data / PKI, self.clock)

    async def enrol(self, name: str, data: Path, key: RSAPrivateKey | None = None) -> None:
        """Give a computer what it needs to be a client of this site, in its client's folder.

        In native mode that is a certificate (with a key that is made for it, or the given one), in mixed
        mode nothing: there a client comes as it is.

        Raises:
            CannotStart: the folder cannot be written.
        """
        if self.native:
            await asyncio.to_thread(enrol, self.pki, fqdn(name), data / CERTIFICATES, key)

    def folder(self, role: str) -> Path:
        """The role's own folder: outboxes, inboxes, caches and packages are looked at there."""
        return self.data / role

    def settings(self, role: str) -> RoleSettings:
        """Everything a role is told, as its own process would read it."""
        address = self.roles[role]
        roles = tuple(self.roles.values())
        if self.network:
            roles = tuple(self.network.as_seen(role, other) for other in roles)
        return RoleSettings(
            role=address,
            site_code=self.topology.site_code,
            site_name=self.topology.site_name,
            roles=roles,
            data=self.folder(role),
            secret=self.secret,
            database=None if address.kind == "distribution_point" else self._dsn_for(role),
            replica=self._replica_for(address),
            database_timeout=self._database_timeout,
            link_timeout=self._link_timeout,
            clock=self.clock.settings,
            clock_file=self.clock.path.resolve(),
            security=self.topology.security,
            listen=self._listen,
            pki=self.data / PKI,
            journal=self._journal_bytes,
            log_dir=self._log_dir.resolve() / role if self._log_dir else None,
        )

    def _replica_for(self, role: RoleAddress) -> str | None:
        """The database replica that a management point was given to read."""
        reads = {computer.name: computer.replica for computer in self.topology.computers}[role.computer]
        if role.kind != "management_point" or reads is None:
            return None
        return self._dsn_for(role.name, next(a for a in self._replicas if a.computer == reads))

    def _dsn_for(self, role: str, address: RoleAddress | None = None) -> str:
        """A database's address as a role has to use it, known before it runs; the site database's own."""
        address = address or self.only("site_database")
        if self._given_dsn:
            return self._given_dsn
        dsn = PostgresServer(self.data / address.name, address.host, address.port).dsn()
        return self.network.dsn(role, address, dsn) if self.network else dsn

    @property
    def journal(self) -> Journal:
        """Every message that reached a role, decoded: to search, to wait for, to expect."""
        names = {role.name for role in self.roles.values() if role.kind not in DATABASES}
        return Journal({name: self.folder(name) / "journal" for name in names})

    @asynccontextmanager
    async def database(self, timeout: float = 10.0, role: str | None = None) -> AsyncIterator[SiteDatabase]:
        """A look into the site database, or another role's, for those who check."""
        dsn = self.database_of(role) if role else self.dsn
        db = SiteDatabase(dsn, timeout=timeout, max_size=2, name="cmemu-observer")
        await db.open()
        try:
            yield db
        finally:
            await db.close()
