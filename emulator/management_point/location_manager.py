"""MP_LocationManager: where content and management points are, and which site this is.

Always what the site database says now: a location is not remembered across an outage. Location
requests need no signature in mixed mode.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from emulator.errors import MalformedMessage
from emulator.logs import get_logger
from emulator.management_point.get_auth import SiteRoles
from emulator.protocol.location import ContentLocationReply, ContentLocationRequest
from emulator.protocol.message import Message
from emulator.protocol.names import new_guid
from emulator.protocol.site_location import (
    ManagementPointPlace,
    SitePlace,
    asked_kind,
    asked_site,
    assigned_site_reply,
    management_points_reply,
    site_information_reply,
    update_sf_reply,
    upload_reply,
    wsus_location_reply,
)
from emulator.protocol.xml import parse_xml
from emulator.settings import RoleAddress
from emulator.site_database.site import SiteInfo

DEFAULT_SSL_PORT = 443


class Locations(Protocol):
    """What the site database knows of places."""

    async def content_locations(self, request: ContentLocationRequest) -> ContentLocationReply:
        """Where a package is installed, in the version that is asked for."""

    async def site_info(self) -> SiteInfo: ...


class LocationManager:
    """Answers by the root element of the request."""

    log = get_logger("MP_LocationManager")

    def __init__(self, locations: Locations, roles: SiteRoles, rng: random.Random) -> None:
        self._locations = locations
        self._roles = roles
        self._rng = rng
        self.requests: dict[str, Callable[[str], Awaitable[str]]] = {
            "ContentLocationRequest": self.content_location,
            "LocalMPLocationRequest": self.local_mp_location,
            "LocationMPLocationRequest": self.local_mp_location,  # the overview's name for it
            "EnumerateMPLocationRequest": self.enumerate_mp_location,
            "MPListRequest": self.mp_list,
            "AssignedSiteRequest": self.assigned_site,
            "SiteInformationRequest": self.site_information,
            "WSUSLocationRequest": self.wsus_location,
            "UpdateSFRequest": self.update_sf,
            "UploadRequest": self.upload,
            "BitsUploadRequest": self.upload,
        }

    async def answer(self, message: Message) -> str:
        """Answer one location request.

        Raises:
            MalformedMessage: it is none of those known here.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        root = str(parse_xml(message.body_text).tag)
        request = self.requests.get(root)
        if request is None:
            raise MalformedMessage(f"{root} is no location request", raw=message.raw_payload)
        reply = await request(message.body_text)
        self.log.info("location request answered", request=root, message_id=message.message_id)
        return reply

    # -- content -------------------------------------------------------------------

    async def content_location(self, text: str) -> str:
        """The distribution points that hold package versions; none is a legal answer.

        Without secondary sites and boundaries every one is local, wherever the client is: so the
        boundaries told are the client's own.
        """
        request = ContentLocationRequest.from_xml(text)
        reply = await self._locations.content_locations(request)
        self.log.info(
            "content location",
            packages=[f"{package_id}.{version}" for package_id, version in request.packages],
            distribution_points=[location.server for location in reply.locations],
        )
        here = self._roles.role
        return replace(
            reply,
            ad_site=request.ad_site,
            subnets=tuple(subnet for subnet, _ in request.ip_addresses if subnet),
            port=here.port,
            ssl_port=here.https_port or DEFAULT_SSL_PORT,
            ssl_state=self._roles.ssl_state,
        ).to_xml()

    # -- management points and the site --------------------------------------------

    async def local_mp_location(self, text: str) -> str:
        """The site's management points: without secondary sites there is no nearer one."""
        return management_points_reply("LocalMPLocationReply", await self._site(), self._places(), "1.0")

    async def enumerate_mp_location(self, text: str) -> str:
        """Management points of a kind; proxies stand in secondary sites, Internet ones in native mode."""
        none = {"Proxy"} if self._roles.native else {"Proxy", "Internet"}
        places = [] if asked_kind(text) in none else self._places()
        return management_points_reply("EnumerateMPLocationReply", await self._site(), places)

    async def mp_list(self, text: str) -> str:
        return management_points_reply("MPListReply", await self._site(), self._places())

    async def assigned_site(self, text: str) -> str:
        return assigned_site_reply(await self._site())

    async def site_information(self, text: str) -> str:
        """The site's code, version and build."""
        site, asked = await self._site(), asked_site(text)
        return site_information_reply(site if asked in ("", site.site_code) else None)

    async def wsus_location(self, text: str) -> str:
        return wsus_location_reply(await self._site())

    async def update_sf(self, text: str) -> str:
        await self._locations.site_info()  # asked like the others: no answer without the database
        return update_sf_reply()

    async def upload(self, text: str) -> str:
        """Where a large message may be uploaded; any other name below the directory is as good."""
        here = self._roles.role
        return upload_reply(here.fqdn, f"{here.public_url}/CCM_Incoming/{{{new_guid(self._rng)}}}")

    async def _site(self) -> SitePlace:
        site = await self._locations.site_info()
        return SitePlace(site.site_code, site.version, site.build_number, self._roles.ssl_state)

    def _places(self) -> list[ManagementPointPlace]:
        return [_place(address, self._roles.native) for address in self._roles.management_points]


def _place(address: RoleAddress, native: bool) -> ManagementPointPlace:
    url = address.public or (native and address.https_url) or address.url
    return ManagementPointPlace(
        address.computer.upper(), address.fqdn, url, address.port, address.https_port or DEFAULT_SSL_PORT
    )
