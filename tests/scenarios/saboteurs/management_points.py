"""Management points that break one promise each."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import aiohttp

from emulator.errors import SiteDatabaseUnavailable, SiteServerUnavailable
from emulator.management_point.ccm_system import CcmSystem
from emulator.management_point.file_dispatch_manager import FileDispatchManager
from emulator.management_point.location_manager import LocationManager, Locations, SiteInfo
from emulator.management_point.management_point import ManagementPoint
from emulator.management_point.outboxes import Outboxes
from emulator.management_point.policy_cache import PolicyCache
from emulator.management_point.policy_manager import PolicyManager
from emulator.management_point.registration_manager import RegistrationManager
from emulator.protocol.location import ContentLocationReply, ContentLocationRequest
from emulator.protocol.message import Message
from emulator.protocol.policy import PolicyVersion, ReplyAssignments, RequestAssignments
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database.policy import Assignments
from emulator.spool import SpoolEntry


def _policy_manager(role: ManagementPoint, kind: type[PolicyManager]) -> PolicyManager:
    return kind(role.smsdbrole, role.policy_cache, role.authentication, role.settings.site_code)


class _RemembersAssignments(PolicyManager):
    """Answers from memory while the database is off."""

    remembered: dict[str, str] = {}

    async def answer(self, message: Message) -> str:
        try:
            text = await super().answer(message)
        except SiteDatabaseUnavailable:
            if message.source_id not in self.remembered:
                raise
            return self.remembered[message.source_id]
        self.remembered.setdefault(message.source_id, text)
        if ReplyAssignments.from_xml(text).reply_type == "Full":
            self.remembered[message.source_id] = text
        return text


class RemembersAssignments(ManagementPoint):
    """Assignments come from memory while the site database is off."""

    def make_policy_manager(self) -> PolicyManager:
        return _policy_manager(self, _RemembersAssignments)


class _NoCache(PolicyCache):
    def get(self, policy: PolicyVersion) -> bytes | None:
        return None


class ForgetsBodies(ManagementPoint):
    """No policy body is ever served from the cache."""

    def make_policy_manager(self) -> PolicyManager:
        self.policy_cache = _NoCache(self.settings.data / "policy_cache")
        return super().make_policy_manager()


class _CachesEveryBody(PolicyManager):
    async def assignments(self, request: RequestAssignments, found: Assignments) -> ReplyAssignments:
        reply = await super().assignments(request, found)
        for assigned in reply.assignments:
            with contextlib.suppress(Exception):
                await self.stored(assigned.policy)
        return reply


class CachesEveryBody(ManagementPoint):
    """Bodies get into the cache that no client ever asked for."""

    def make_policy_manager(self) -> PolicyManager:
        return _policy_manager(self, _CachesEveryBody)


class _OnlyTheFirst(PolicyManager):
    async def assignments(self, request: RequestAssignments, found: Assignments) -> ReplyAssignments:
        reply = await super().assignments(request, found)
        return ReplyAssignments(
            client_id=reply.client_id,
            fqdn=reply.fqdn,
            netbios_name=reply.netbios_name,
            site_code=reply.site_code,
            reply_type="OnUpdate",
            server_cookie=reply.server_cookie,
            assignments=(),
            validation_data="",
        )


class BlindAfterRestart(ManagementPoint):
    """After its first restart it has nothing new for anybody, ever."""

    def make_policy_manager(self) -> PolicyManager:
        marker = self.settings.data / "started_once"
        kind = _OnlyTheFirst if marker.exists() else PolicyManager
        marker.touch()
        return _policy_manager(self, kind)


class _EverybodysPolicies(PolicyManager):
    """Every client also gets what was assigned to the others."""

    seen: dict[str, Any] = {}

    async def assignments(self, request: RequestAssignments, found: Assignments) -> ReplyAssignments:
        reply = await super().assignments(request, found)
        mine = {a.policy.policy_id for a in reply.assignments}
        others = tuple(a for i, a in self.seen.items() if i not in mine)
        self.seen.update({a.policy.policy_id: a for a in reply.assignments if a.action != "delete"})
        return ReplyAssignments(
            client_id=reply.client_id,
            fqdn=reply.fqdn,
            netbios_name=reply.netbios_name,
            site_code=reply.site_code,
            reply_type=reply.reply_type,
            server_cookie=reply.server_cookie,
            assignments=reply.assignments + others,
            validation_data=reply.validation_data,
        )


class HandsOutEverybodysPolicies(ManagementPoint):
    """Policies reach clients that they are not assigned to."""

    def make_policy_manager(self) -> PolicyManager:
        _EverybodysPolicies.seen = {}
        return _policy_manager(self, _EverybodysPolicies)


class _GuessesLocations:
    """Remembers one location and makes up the others from it while the database is off."""

    def __init__(self, inner: Locations) -> None:
        self._inner = inner
        self._last: tuple[str, ContentLocationReply] | None = None

    async def site_info(self) -> SiteInfo:
        return await self._inner.site_info()

    async def content_locations(self, request: ContentLocationRequest) -> ContentLocationReply:
        try:
            found = await self._inner.content_locations(request)
        except SiteDatabaseUnavailable:
            if self._last is None:
                raise
            known, reply = self._last
            guessed = (replace(x, url=x.url.replace(known, request.package_id)) for x in reply.locations)
            return replace(reply, locations=tuple(guessed))
        self._last = (request.package_id, found)
        return found


class RemembersLocations(ManagementPoint):
    """Content is found from memory while the site database is off."""

    def make_location_manager(self) -> LocationManager:
        return LocationManager(_GuessesLocations(self.smsdbrole), self.site_roles, self.rng)


class _AsksSiteServer(LocationManager):
    url = ""
    session: aiohttp.ClientSession

    async def content_location(self, text: str) -> str:
        ContentLocationRequest.from_xml(text)
        try:
            async with self.session.get(self.url):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise SiteServerUnavailable(str(exc)) from exc
        return await super().content_location(text)


class AsksSiteServerForLocations(ManagementPoint):
    """Content cannot be found without the site server."""

    def make_location_manager(self) -> LocationManager:
        manager = _AsksSiteServer(self.smsdbrole, self.site_roles, self.rng)
        manager.url = self.settings.of_kind("site_server")[0].url
        manager.session = self.http
        return manager


class _DropsWhatItCannotForward(FileDispatchManager):
    async def dispatch(self, kind: ReportKind, entry: SpoolEntry) -> bool:
        if not await super().dispatch(kind, entry):
            self._outboxes.spools[kind].remove(entry)
        return True


class DropsReports(ManagementPoint):
    """A report that cannot be forwarded at once is thrown away."""

    def make_file_dispatch_manager(self) -> FileDispatchManager:
        made = super().make_file_dispatch_manager()
        made.__class__ = _DropsWhatItCannotForward
        return made


class _NewestFirst(FileDispatchManager):
    async def empty(self, kind: ReportKind) -> None:
        spool = self._outboxes.spools[kind]
        while True:
            await spool.wait()
            if not await self.dispatch(kind, spool.entries()[-1]):
                await asyncio.sleep(0.1)


class SendsNewestFirst(ManagementPoint):
    """The outbox is emptied from the wrong end."""

    def make_file_dispatch_manager(self) -> FileDispatchManager:
        made = super().make_file_dispatch_manager()
        made.__class__ = _NewestFirst
        return made


class _WritesLater(Outboxes):
    """Says that it holds a report well before it does, in its first life."""

    late = False
    tasks: set[asyncio.Task[SpoolEntry]]

    async def put(self, file: ReportFile) -> SpoolEntry:
        if not self.late:
            return await super().put(file)

        async def later() -> SpoolEntry:
            await asyncio.sleep(5.0)
            return await super(_WritesLater, self).put(file)

        task = asyncio.create_task(later())
        self.tasks.add(task)
        return SpoolEntry(0, file.key, self.folder)


class AcknowledgesBeforeWriting(ManagementPoint):
    """Acknowledged does not mean on disk."""

    def make_ccm_system(self) -> CcmSystem:
        self.outboxes = _WritesLater(self.settings.data / "outboxes")
        marker = self.settings.data / "started_once"
        self.outboxes.late = not marker.exists()
        self.outboxes.tasks = set()
        marker.touch()
        return super().make_ccm_system()

    async def closing(self) -> None:
        for task in self.outboxes.tasks:  # type: ignore[attr-defined]
            task.cancel()
        await asyncio.gather(*self.outboxes.tasks, return_exceptions=True)  # type: ignore[attr-defined]
        await super().closing()


class _RegistersAnybody(RegistrationManager):
    async def answer(self, message: Message) -> str:
        try:
            return await super().answer(message)
        except SiteDatabaseUnavailable:
            request = ClientRegistrationRequest.from_xml(message.body_text)
            return ClientRegistrationResponse(
                status=0,
                smsid=request.smsid,
                timestamp=self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                approval_status=1,
            ).to_xml()


class RegistersWithoutDatabase(ManagementPoint):
    """A client is told that it is registered, and nobody wrote it down."""

    def make_registration_manager(self) -> RegistrationManager:
        made = super().make_registration_manager()
        made.__class__ = _RegistersAnybody
        return made


class _GivesUpForwarding(FileDispatchManager):
    async def sleep(self) -> None:
        await asyncio.Event().wait()  # nobody will ever set it


class StopsForwardingAfterAnOutage(ManagementPoint):
    """What piled up while the site server was away stays in the outbox for ever."""

    def make_file_dispatch_manager(self) -> FileDispatchManager:
        made = super().make_file_dispatch_manager()
        made.__class__ = _GivesUpForwarding
        return made
