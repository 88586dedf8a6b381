"""LocationServices: where content is, and which management points there are.

Content locations are asked for each time content is needed and never remembered: that is
what makes a client wait for content while the management point or its database is away.
"""

from __future__ import annotations

from clients.identity import Identity
from clients.journal import Journal
from clients.settings import ClientSettings
from clients.transport import Outgoing, Transport
from emulator.errors import MalformedMessage, ManagementPointUnavailable
from emulator.protocol.location import ContentLocationReply, ContentLocationRequest
from emulator.protocol.site_security import MPListEntry, parse_mp_list

ENDPOINT = "MP_LocationManager"


class LocationServices:
    """Asks the management point."""

    def __init__(
        self, settings: ClientSettings, identity: Identity, transport: Transport, journal: Journal
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._transport = transport
        self._journal = journal

    async def content_locations(self, package_id: str, version: int) -> ContentLocationReply:
        """Where this version of a package can be downloaded, best place first.

        Raises:
            ManagementPointUnavailable: no readable answer.
        """
        settings = self._settings
        request = ContentLocationRequest(
            package_id=package_id,
            package_version=version,
            site_code=settings.site_code,
            ad_site=settings.ad_site,
            ip_addresses=((settings.subnet, settings.ip_address),),
        )
        message_id = self._identity.new_id()
        with self._journal.operation(
            "find_distribution_points",
            package_id=package_id,
            version=version,
            url=self._transport.request_url,
            message_id=message_id,
        ) as evidence:
            text = await self._transport.send(Outgoing(message_id, ENDPOINT, request.to_xml()))
            try:
                reply = ContentLocationReply.from_xml(text)
            except MalformedMessage as exc:
                raise ManagementPointUnavailable(f"unreadable location reply: {exc}") from exc
            evidence["locations"] = [location.url for location in reply.locations]
        return reply

    async def management_points(self) -> list[MPListEntry]:
        """The site's management points (``.sms_aut?MPLIST``).

        Raises:
            ManagementPointUnavailable: no readable answer.
        """
        path = "/SMS_MP/.sms_aut?MPLIST"
        with self._journal.operation("refresh_management_points", path=path) as evidence:
            body = await self._transport.get(path)
            try:
                entries = list(parse_mp_list(body))
            except MalformedMessage as exc:
                raise ManagementPointUnavailable(f"unreadable MP list: {exc}") from exc
            evidence["management_points"] = [entry.name for entry in entries]
        return entries
