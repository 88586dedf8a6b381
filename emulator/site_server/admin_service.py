"""AdminService: the SMS Provider with every class it has, on both of its routes."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from emulator.site_database.database import SiteDatabase
from emulator.site_server.administrators import Administrators, Door
from emulator.site_server.provider_class import Place, ProviderClass
from emulator.site_server.read_only_classes import read_only_classes
from emulator.site_server.sms_admin import SmsAdmin
from emulator.site_server.sms_advertisement import SmsAdvertisement
from emulator.site_server.sms_application import SmsApplication
from emulator.site_server.sms_application_assignment import SmsApplicationAssignment
from emulator.site_server.sms_client_operation import SmsClientOperation
from emulator.site_server.sms_collection import CollectionMembers, SmsCollection
from emulator.site_server.sms_collection_rule_query import SmsCollectionRuleQuery
from emulator.site_server.sms_distribution_point import SmsDistributionPoint
from emulator.site_server.sms_identification import SmsIdentification
from emulator.site_server.sms_package import SmsPackage
from emulator.site_server.sms_program import SmsProgram
from emulator.site_server.sms_provider import SmsProvider
from emulator.site_server.sms_schedule_methods import SmsScheduleMethods
from emulator.site_server.sms_scripts import SmsScripts
from emulator.site_server.sms_site_control_file import SmsSiteControlFile
from emulator.site_server.sms_system import SmsSystem
from emulator.site_server.sms_task_sequence_package import SmsTaskSequencePackage
from emulator.site_server.v1_routes import V1, V1Routes

CLASSES = (
    SmsPackage,
    SmsProgram,
    SmsDistributionPoint,
    SmsCollection,
    SmsAdvertisement,
    SmsSystem,
    SmsAdmin,
    SmsApplication,
    SmsApplicationAssignment,
    SmsScripts,
    SmsClientOperation,
    SmsTaskSequencePackage,
    SmsCollectionRuleQuery,
    SmsScheduleMethods,
    SmsSiteControlFile,
)


class AdminService(SmsProvider):
    """The provider with all its classes, on both routes.

    ``console_setup`` is the folder whose files GetFileBinary hands out.
    """

    def __init__(
        self, database: SiteDatabase, administrators: Administrators, place: Place, console_setup: Path
    ) -> None:
        super().__init__(database, administrators)
        self.add(made(place) for made in CLASSES)
        self.add([SmsIdentification(place, console_setup)])
        self.add(read_only_classes(place))
        self.families.append(self._members_of)
        self._place = place
        self._v1 = V1Routes(self, place)

    def routes(self, app: web.Application, role: Door) -> None:
        super().routes(app, role)
        self.route(app, role, V1, self._v1.answer)

    async def _members_of(self, name: str) -> ProviderClass | None:
        return await CollectionMembers.named(self.database, self._place, name)
