"""smsdbrole_MP: what a management point may do at the site database, and nothing else.

Each method asks the database when it is called. An outage passes through as
``SiteDatabaseUnavailable``; nothing is remembered here.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from emulator.clock import Clock
from emulator.protocol.client_identity import ClientIdRequest, KnownClient, hardware_id
from emulator.protocol.location import (
    PACKAGES,
    ContentLocation,
    ContentLocationReply,
    ContentLocationRequest,
    signature_url,
)
from emulator.protocol.policy import PolicyVersion, StoredPolicy
from emulator.protocol.registration import ClientRegistrationRequest
from emulator.site_database import locations, policy, registration, resources, site
from emulator.site_database.batch import Batch
from emulator.site_database.database import SiteDatabase
from emulator.site_database.locations import InstalledContent
from emulator.site_database.policy import Assignments
from emulator.site_database.registration import ClientKey, Registered
from emulator.site_database.site import SiteInfo


class SmsdbroleMP:
    """The site database as the management point's computer account sees it.

    A management point with a database replica reads there, and registers clients at the site database.
    """

    def __init__(
        self, database: SiteDatabase, site_code: str, clock: Clock, primary: SiteDatabase | None = None
    ) -> None:
        self._database = database
        self._primary = primary or database
        self._site_code = site_code
        self._clock = clock
        # What every poll asks, and most of the time many clients at once.
        self._client_keys = Batch[str, ClientKey | None](
            lambda smsids: registration.client_keys(database, smsids)
        )
        self._assignments = Batch[tuple[str, int], Assignments](
            lambda asked: policy.assignments_of_many(database, asked)
        )

    async def site_info(self) -> SiteInfo:
        return await site.site_info(self._database, self._site_code)

    async def users_of(self, smsid: str) -> list[str]:
        return await resources.users_of(self._database, smsid)

    async def register(
        self, request: ClientRegistrationRequest, *, approved: bool = True, replace_taken: bool = True
    ) -> Registered:
        return await registration.register_client(
            self._primary,
            request,
            site_code=self._site_code,
            new_smsid=identity_of(request.signing),
            now=self._clock.now(),
            approval_status=registration.APPROVED if approved else registration.PENDING,
            replace_taken=replace_taken,
        )

    async def client_key(self, smsid: str) -> ClientKey | None:
        return await self._client_keys(smsid)

    async def certificate_of(self, smsid: str) -> bytes | None:
        return await registration.certificate_of(self._database, smsid)

    async def assignments(self, smsid: str, after: int) -> Assignments:
        return await self._assignments((smsid, after))

    async def is_assigned(self, smsid: str, version: PolicyVersion) -> bool:
        return await policy.is_assigned(self._database, smsid, version)

    async def stored_policy(self, version: PolicyVersion) -> StoredPolicy:
        return await policy.stored_policy(self._database, version)

    async def content_locations(self, request: ContentLocationRequest) -> ContentLocationReply:
        """Where packages are; where anything can be, for a client that asks for its own installation.

        The reply has no word for a package: which one a place is for is in its URL. So with several packages
        the current form's hash, which is that of one content, stays empty, as in replies of older releases.
        """
        reply = ContentLocationReply(self._site_code, current=request.current)
        if not request.package_id:
            points = await locations.distribution_points(self._database, self._site_code)
            anywhere = (
                ContentLocation(url=f"{point.url}/{PACKAGES}", server=point.server_remote_name)
                for point in points
            )
            return replace(reply, locations=tuple(anywhere))
        build = str((await self.site_info()).build_number) if request.current else ""
        places: list[ContentLocation] = []
        for package_id, version in request.packages:
            found = await locations.content_locations(self._database, package_id, version)
            places += (_location(place, package_id, build, current=request.current) for place in found)
        if not places:
            return reply
        reply = replace(reply, locations=tuple(places))
        if request.others:
            return reply
        content_hash = found[0].content_hash.removeprefix("SHA256:")
        return replace(reply, content_hash=content_hash, package_flags=found[0].package_flags)

    async def find_client(self, request: ClientIdRequest) -> KnownClient | None:
        return await resources.find_client(
            self._database,
            hardware_id(request.smbios),
            [address for mac in request.mac_addresses if (address := hardware_id(mac))],
            request.name,
        )


def _location(place: InstalledContent, package_id: str, build: str, *, current: bool) -> ContentLocation:
    """One place; the share and its name belong to the 2007 form, the build to the current one."""
    share = f"\\\\{place.server}\\SMSPKGD$\\{package_id}"
    return ContentLocation(
        url=place.url,
        smb_path="" if current else share,
        server=place.server_remote_name,
        signature=signature_url(place.url, place.version),
        version=build,
    )


def identity_of(certificate: bytes) -> str:
    """The identity for a client that brings none: made from its certificate, so it is no matter of chance.

    Two management points that register one client at the same moment give it the same one.
    """
    return f"GUID:{str(uuid.uuid5(uuid.NAMESPACE_OID, certificate.hex())).upper()}"
