"""The management point: what lets clients and the site communicate.

Two flows. Reading (registration, assignments, bodies, locations) asks the site database and gives
the answer back. Writing (reports) never touches the database: a report is kept in an outbox and
carried to the site server. Each component is made by a method of its own, to be replaced by a test.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import aiohttp
from aiohttp import hdrs, web

from emulator.errors import CannotStart, ObjectNotFound
from emulator.management_point.bits_upload import BitsUpload
from emulator.management_point.ccm_post_server import CcmPostRunner
from emulator.management_point.ccm_system import CcmSystem, Endpoint
from emulator.management_point.client_id_manager import ClientIdManager
from emulator.management_point.client_keys import ClientAuthentication, ClientKeyCache
from emulator.management_point.file_dispatch_manager import (
    FileDispatchManager,
    InboxSource,
    SiteServerInboxes,
)
from emulator.management_point.get_auth import GetAuth, SiteRoles
from emulator.management_point.location_manager import LocationManager
from emulator.management_point.outboxes import Outboxes
from emulator.management_point.policy_cache import PolicyCache
from emulator.management_point.policy_manager import PolicyManager
from emulator.management_point.registration_manager import RegistrationManager
from emulator.management_point.report_endpoints import REPORT_ENDPOINTS, ReportEndpoint
from emulator.management_point.sms_pol import GetPolicy
from emulator.management_point.smsdbrole_mp import SmsdbroleMP
from emulator.management_point.upload_sessions import UploadSessions
from emulator.management_point.virtual_directories import CCM_POST, VirtualDirectories
from emulator.protocol.bits_upload import VERB as BITS_POST
from emulator.protocol.envelope import unseal_bytes
from emulator.role import HttpRole
from emulator.settings import RoleAddress, known_to_clients
from emulator.site_database.database import SiteDatabase
from emulator.windows_authentication import WindowsAuthentication

_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ManagementPoint(HttpRole):
    """A management point of the site."""

    log_name = "MP_Framework"

    async def opening(self) -> None:
        """Make the components; the database may be away."""
        if self.settings.database is None:
            raise CannotStart(f"{self.settings.role.name}: no site database is named in the settings")
        data = self.settings.data
        self.rng = random.Random(self.settings.role.name)
        self.policy_cache = PolicyCache(data / "policy_cache")
        self.client_keys = ClientKeyCache(data / "client_keys")
        self.outboxes = Outboxes(data / "outboxes")
        self.site_database = self.make_site_database(self.settings.database)
        # What it reads: the replica, if it was given one; nothing falls back to the site database then.
        self.read_database = self.site_database
        if self.settings.replica:
            self.read_database = self.make_site_database(self.settings.replica)
            await self.read_database.open()
        await self.site_database.open()
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.settings.link_timeout))
        self.smsdbrole = self.make_smsdbrole()
        self.authentication = self.make_authentication()
        self.policy_manager = self.make_policy_manager()
        self.registration_manager = self.make_registration_manager()
        self.location_manager = self.make_location_manager()
        self.ccm_system = self.make_ccm_system()
        self.bits_upload = self.make_bits_upload()
        self.get_auth = self.make_get_auth()
        self.get_policy = self.make_get_policy()
        self.virtual_directories = self.make_virtual_directories()
        self.file_dispatch_manager = self.make_file_dispatch_manager()

    async def closing(self) -> None:
        if hasattr(self, "http"):
            await self.http.close()
        if hasattr(self, "site_database"):
            await self.site_database.close()
            if self.read_database is not self.site_database:
                await self.read_database.close()

    # -- the components ------------------------------------------------------------

    @property
    def management_points(self) -> tuple[RoleAddress, ...]:
        """As clients are told of them."""
        return tuple(known_to_clients(self.settings.of_kind("management_point")))

    @property
    def site_roles(self) -> SiteRoles:
        settings = self.settings
        return SiteRoles(settings.site_code, settings.role, self.management_points, self.native)

    @property
    def native(self) -> bool:
        return self.settings.security.mode == "native"

    def make_site_database(self, dsn: str) -> SiteDatabase:
        return SiteDatabase(dsn, timeout=self.settings.database_timeout, name=self.settings.role.name)

    def make_smsdbrole(self) -> SmsdbroleMP:
        return SmsdbroleMP(self.read_database, self.settings.site_code, self.clock, self.site_database)

    def make_authentication(self) -> ClientAuthentication:
        strict = self.settings.security.verification == "strict"
        return ClientAuthentication(self.smsdbrole, self.client_keys, strict=strict)

    def make_policy_manager(self) -> PolicyManager:
        sign = self.pki.site_signing().sign if self.native else None
        return PolicyManager(
            self.smsdbrole, self.policy_cache, self.authentication, self.settings.site_code, sign
        )

    def make_registration_manager(self) -> RegistrationManager:
        return RegistrationManager(self.smsdbrole, self.client_keys, self.clock, self.settings.security)

    def make_location_manager(self) -> LocationManager:
        return LocationManager(self.smsdbrole, self.site_roles, self.rng)

    def make_client_id_manager(self) -> ClientIdManager:
        return ClientIdManager(self.smsdbrole)

    def make_report_endpoint(self, log_name: str) -> ReportEndpoint:
        return ReportEndpoint(log_name, self.authentication, self.outboxes, self.clock)

    def make_endpoints(self) -> Mapping[str, Endpoint]:
        """Target endpoint -> who answers."""
        return {
            "MP_ClientRegistration": self.registration_manager,
            "MP_PolicyManager": self.policy_manager,
            "MP_LocationManager": self.location_manager,
            "MP_ClientIdManager": self.make_client_id_manager(),
            **{name: self.make_report_endpoint(log) for name, log in REPORT_ENDPOINTS.items()},
        }

    def make_ccm_system(self) -> CcmSystem:
        return CcmSystem(
            self.make_endpoints(),
            self.clock,
            self.settings.role.computer,
            self.settings.max_body,
            self.rng,
            lambda envelope: unseal_bytes(envelope, self.pki.management_point(self.settings.role).key),
        )

    def make_bits_upload(self) -> BitsUpload:
        sessions = UploadSessions(self.settings.data / "ccm_incoming", self.clock, self.settings.max_body)
        return BitsUpload(sessions, self.ccm_system.receive)

    def make_get_auth(self) -> GetAuth:
        return GetAuth(self.smsdbrole, self.site_roles, self.pki)

    def make_get_policy(self) -> GetPolicy:
        return GetPolicy(
            self.policy_manager,
            self.authentication,
            self.settings.security.secret_encryption,
            needs_tls=self.native,
        )

    def make_virtual_directories(self) -> VirtualDirectories:
        windows = WindowsAuthentication(
            self.settings.security.users, self.settings.data / "windows_authentication"
        )
        return VirtualDirectories(self.ccm_system, windows, native=self.native)

    def make_inbox_source(self) -> InboxSource:
        site_servers = self.settings.of_kind("site_server")
        url = site_servers[0].url if site_servers else None
        return SiteServerInboxes(self.http, url, self.settings.secret)

    def make_file_dispatch_manager(self) -> FileDispatchManager:
        return FileDispatchManager(self.outboxes, self.make_inbox_source(), self.clock)

    def components(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        return [self.file_dispatch_manager.run]

    # -- HTTP ----------------------------------------------------------------------

    def make_runner(self, app: web.Application) -> web.BaseRunner:
        return CcmPostRunner(app, access_log=None, shutdown_timeout=1.0)

    def routes(self, app: web.Application) -> None:
        doors = self.virtual_directories
        self.paths: dict[str, dict[str, _Answer]] = {
            "/ccm_system/request": {CCM_POST: doors.anonymous},
            "/sms_mp/.sms_aut": {hdrs.METH_GET: self._get_auth},
            "/sms_mp/.sms_pol": {hdrs.METH_GET: self.get_policy.get},
            "/sms_mp_altauth/.sms_pol": {hdrs.METH_GET: self.get_policy.get},
        }
        # Whose door answers every verb: what is found out there comes before what is asked.
        self.doors: dict[str, _Answer] = {
            "/ccm_system_windowsauth": doors.windows,
            "/ccm_system_altauth": doors.alternative,
            "/ccm_system_tokenauth": doors.token,
        }
        # One route: paths of a management point are matched without case.
        app.router.add_route("*", "/{path:.*}", self.answer)

    async def _get_auth(self, request: web.Request) -> web.StreamResponse:
        """In native mode the list and the keys are for who shows a certificate, as documented for 2007."""
        await self.virtual_directories.check_certificate(request)
        return await self.get_auth.get(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Find who answers a request.

        Raises:
            ObjectNotFound: nothing of a management point is at this path.
        """
        if request.method == BITS_POST:
            await self.virtual_directories.check_certificate(request)
            return await self.bits_upload.answer(request)
        path = request.path.rstrip("/").lower()
        door = self.doors.get(path.removesuffix("/request"))
        if door is not None:
            return await door(request)
        verbs = self.paths.get(path)
        if verbs is None:
            raise ObjectNotFound(f"{request.path}: there is no such virtual directory")
        verb = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
        if verb not in verbs:
            raise web.HTTPMethodNotAllowed(request.method, verbs)
        return await verbs[verb](request)
