"""The site server: administration, inboxes, and the threads of SMS_EXECUTIVE behind them.

It starts while the site database is down, and its components wait for it: administration answers
500 until then, inboxes take reports at once. Every part is made by a method of its own, so that
a test can put another in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from emulator.errors import CannotStart, ConfigMgrError
from emulator.role import HttpRole
from emulator.settings import RoleSettings
from emulator.site_database.database import SiteDatabase
from emulator.site_server.admin_service import AdminService
from emulator.site_server.administrators import Administrators
from emulator.site_server.collection_evaluator import CollectionEvaluator
from emulator.site_server.component import Component
from emulator.site_server.database_notification_monitor import DatabaseNotificationMonitor
from emulator.site_server.distribution_manager import DistributionManager
from emulator.site_server.inbox_component import InboxComponent
from emulator.site_server.inboxes import Inboxes
from emulator.site_server.loaders import make_loaders
from emulator.site_server.mp_control_manager import MpControlManager
from emulator.site_server.package_source import PackageSource
from emulator.site_server.package_transfer import PackageTransfer
from emulator.site_server.policy_provider import PolicyProvider
from emulator.site_server.provider_class import Place
from emulator.site_server.site_control import SiteControl
from emulator.site_server.sms_provider import SmsProvider, refusal


class SiteServer(HttpRole):
    """The site server of a primary site."""

    log_name = "sms_executive"

    def __init__(self, settings: RoleSettings) -> None:
        super().__init__(settings)
        if settings.database is None:
            raise CannotStart("the site server needs the site database's DSN")
        self.database = SiteDatabase(
            settings.database, timeout=settings.database_timeout, name=settings.role.name
        )

    # -- parts ---------------------------------------------------------------------

    def make_inboxes(self) -> Inboxes:
        return Inboxes(self.settings.data / "inboxes")

    def make_loaders(self) -> list[InboxComponent[Any]]:
        return make_loaders(self, self.inboxes)

    # Which provider administrators meet.
    provider_class: type[AdminService] = AdminService

    def make_provider(self) -> SmsProvider:
        data = self.settings.data
        administrators = Administrators(self.database, self.settings.security.users, data / "windows")
        place = Place(self.settings.site_code, self.clock)
        return self.provider_class(self.database, administrators, place, data / "tools" / "ConsoleSetup")

    def make_site_control(self) -> SiteControl:
        return SiteControl(self)

    def make_collection_evaluator(self) -> CollectionEvaluator:
        return CollectionEvaluator(self)

    def make_policy_provider(self) -> PolicyProvider:
        return PolicyProvider(self)

    def make_distribution_manager(self) -> DistributionManager:
        source = PackageSource(self.settings.data / "package_source")
        return DistributionManager(
            self, source, PackageTransfer(self.settings.secret, self.settings.link_timeout)
        )

    def make_mp_control_manager(self) -> MpControlManager:
        return MpControlManager(self)

    def make_notification_monitor(self) -> DatabaseNotificationMonitor:
        return DatabaseNotificationMonitor(self, self.threads)

    # -- the role ------------------------------------------------------------------

    async def opening(self) -> None:
        await self.database.open()
        self.inboxes = self.make_inboxes()
        self.loaders = self.make_loaders()
        self.provider = self.make_provider()
        self.site_control = self.make_site_control()
        self.collection_evaluator = self.make_collection_evaluator()
        self.policy_provider = self.make_policy_provider()
        self.distribution_manager = self.make_distribution_manager()
        self.threads: list[Component] = [
            self.site_control,
            self.collection_evaluator,
            self.policy_provider,
            self.distribution_manager,
            self.make_mp_control_manager(),
        ]
        self.notification_monitor = self.make_notification_monitor()

    def routes(self, app: web.Application) -> None:
        self.inboxes.routes(app, self)
        self.provider.routes(app, self)

    def components(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        threads = [part.run for part in (*self.threads, self.notification_monitor)]
        return [*threads, *(loader.run for loader in self.loaders)]

    async def caught_up(self) -> None:
        await self.notification_monitor.caught_up()

    async def closing(self) -> None:
        await self.database.close()

    def refusal(self, request: web.Request, status: int, error: ConfigMgrError) -> web.Response:
        """Administrators read OData errors, management points a line of text."""
        if request.path.lower().startswith("/adminservice/"):
            return refusal(status, error)
        return super().refusal(request, status, error)
