"""Site servers that break one promise each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
from aiohttp import web

from emulator.errors import InvalidObject, SiteDatabaseUnavailable
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import reports
from emulator.site_database.database import Session
from emulator.site_server.admin_service import AdminService
from emulator.site_server.inbox_component import InboxComponent, Rejection
from emulator.site_server.provider_class import Key, Object, ProviderClass
from emulator.site_server.site_server import SiteServer
from emulator.site_server.sms_provider import SmsProvider
from emulator.spool import SpoolEntry


class _AcceptsAnything(AdminService):
    async def answer(self, request: web.Request, text: str) -> web.Response:
        try:
            return await super().answer(request, text)
        except SiteDatabaseUnavailable:
            if request.method == "POST" and "SMS_Advertisement" in request.path:
                return web.json_response({"AdvertisementID": "S01FFFFF"}, status=201)
            raise


class AcceptsAdvertisementsWithoutDatabase(SiteServer):
    """Acknowledges an advertisement that it cannot store."""

    provider_class = _AcceptsAnything


class _NeedsManagementPoint(AdminService):
    url = ""

    async def _create(self, request: web.Request, of_class: ProviderClass, body: object) -> web.Response:
        if of_class.name == "SMS_Advertisement":
            try:
                timeout = aiohttp.ClientTimeout(total=30.0)
                async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self.url):
                    pass
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise InvalidObject(f"the management point does not answer ({exc})") from exc
        return await super()._create(request, of_class, body)


class NeedsManagementPointToAdvertise(SiteServer):
    """No advertisement without a management point."""

    provider_class = _NeedsManagementPoint

    def make_provider(self) -> SmsProvider:
        provider = super().make_provider()
        assert isinstance(provider, _NeedsManagementPoint)
        provider.url = self.settings.of_kind("management_point")[0].url
        return provider


class _RefusesChanges(AdminService):
    async def _change(
        self, request: web.Request, of_class: ProviderClass, key: Key, body: object
    ) -> web.Response:
        raise InvalidObject("not on a computer that is a management point as well")


class DislikesCompany(SiteServer):
    """Cannot be administered where it shares its computer with a management point."""

    def make_provider(self) -> SmsProvider:
        shared = {r.kind for r in self.settings.roles if r.computer == self.settings.role.computer}
        self.provider_class = _RefusesChanges if "management_point" in shared else AdminService
        return super().make_provider()


class _HidesTheDatabase(AdminService):
    async def _list(self, request: web.Request, of_class: ProviderClass) -> web.Response:
        response = await super()._list(request, of_class)
        if of_class.name == "SMS_SystemResourceList" and response.text:
            import json

            answer: dict[str, Any] = json.loads(response.text)
            systems: list[Object] = answer["value"]
            answer["value"] = [s for s in systems if "SQL" not in str(s["RoleName"])]
            return web.json_response(answer)
        return response


class HidesASiteSystem(SiteServer):
    """Its own list of site systems is not complete."""

    provider_class = _HidesTheDatabase


class LoadsTwice(SiteServer):
    """A status message is loaded a second time, under another id."""

    def make_loaders(self) -> list[InboxComponent[Any]]:
        loaders = super().make_loaders()
        for loader in loaders:
            if loader.kind is ReportKind.STATUS:
                _double(loader)
        return loaders


def _double(loader: InboxComponent[Any]) -> None:
    load_once = loader.load_once

    async def twice(
        session: Session, entry: SpoolEntry, file: ReportFile, content: Any, receipt: int | None
    ) -> Rejection | None:
        if receipt is not None:
            again = replace(file, message_id=file.message_id + "-again")
            another = await reports.receipt(session, again, loader.role.clock.now())
            await load_once(session, entry, again, content, another)
        return await load_once(session, entry, file, content, receipt)

    loader.load_once = twice  # type: ignore[method-assign]


class _AnswersFromMemory(AdminService):
    kept: dict[str, str] = {}

    async def answer(self, request: web.Request, text: str) -> web.Response:
        question = str(request.rel_url)
        try:
            response = await super().answer(request, text)
        except SiteDatabaseUnavailable:
            if request.method != "GET" or question not in self.kept:
                raise
            return web.json_response(text=self.kept[question])
        if request.method == "GET" and response.text:
            self.kept[question] = response.text
        return response


class AnswersAdministratorsFromMemory(SiteServer):
    """Lets the site be read while its database is off."""

    provider_class = _AnswersFromMemory
