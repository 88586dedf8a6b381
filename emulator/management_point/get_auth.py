"""GetAuth: ``GET /SMS_MP/.sms_aut?<keyword>``, what anybody may ask before they are a client.

The list of management points is also the health test of mpcontrol: it asks the site database
first, so a management point that cannot reach SQL answers it with 500, as documented. Keys and
certificates are the site's (``emulator/pki.py``); they need no database.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from emulator.errors import MalformedMessage, WrongSite
from emulator.logs import get_logger
from emulator.pki import Pki
from emulator.protocol.client_affinity import client_affinity
from emulator.protocol.key_information import (
    KeyInformation,
    boot_media_location,
    mp_key_information,
    mp_key_information_media,
    sms_issuing_certificates,
    trusted_root_key,
)
from emulator.protocol.names import normalize_smsid
from emulator.protocol.site_security import SSL_STATE_NATIVE, MPListEntry, mp_list, mpcert, sitesigncert
from emulator.settings import RoleAddress
from emulator.site_database.site import SiteInfo


class SiteInformation(Protocol):
    """Who knows the site; asking it is what makes the list a health test."""

    async def site_info(self) -> SiteInfo: ...

    async def users_of(self, smsid: str) -> Sequence[str]:
        """The users of a client's computer; nobody for an unknown one."""


@dataclass(frozen=True, slots=True)
class SiteRoles:
    """As much of the settings as is told here."""

    site_code: str
    role: RoleAddress  # this management point
    management_points: tuple[RoleAddress, ...]
    native: bool = False

    @property
    def ssl_state(self) -> int:
        return SSL_STATE_NATIVE if self.native else 0


class GetAuth:
    """Answers ``.sms_aut`` by its keyword."""

    log = get_logger("MP_GetAuth")

    def __init__(self, site: SiteInformation, roles: SiteRoles, pki: Pki) -> None:
        self._site = site
        self._roles = roles
        self._pki = pki
        self.keywords: dict[str, Callable[[str], Awaitable[str]]] = {
            "MPLIST": self.mp_list,
            "MPLIST1": self.intranet_mp_list,
            "MPLIST2": self.internet_mp_list,
            "MPCERT": self.mp_certificate,
            "MPCERT1": self.mp_certificate,
            "MPCERT2": self.mp_certificate,  # the same at present, says the SDK
            "MPKEYINFORMATION": self.key_information,
            "MPKEYINFORMATIONMEDIA": self.key_information_media,
            "MPTRK": self.trusted_root_key,
            "SMSTRC": self.issuing_certificates,
            "SITESIGNCERT": self.site_signing_certificate,
            "MPLOCATION": self.boot_media_location,
            "GETCLIENTAFFINITY": self.client_affinity,
        }

    async def get(self, request: web.Request) -> web.Response:
        """Answer one keyword.

        Raises:
            MalformedMessage: the keyword is not known.
            WrongSite: another site is asked for.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        # Not the parsed query: an escaped & or = belongs to a value, and + is a plus.
        keyword, _, rest = unquote(request.rel_url.raw_query_string).partition("&")
        answer = self.keywords.get(keyword.strip().rstrip("=").upper())
        if answer is None:
            raise MalformedMessage(f"{keyword!r} is not a keyword of .sms_aut")
        self.log.debug("asked", keyword=keyword, about=rest)
        return web.Response(body=(await answer(rest)).encode(), content_type="text/xml", charset="utf-8")

    # -- management points -----------------------------------------------------------

    async def mp_list(self, site_code: str) -> str:
        """Every management point of the site, after the database was asked."""
        return mp_list(await self._entries(site_code))

    async def intranet_mp_list(self, site_code: str) -> str:
        """The same with the site's code at each."""
        return mp_list(await self._entries(site_code), self._roles.site_code)

    async def internet_mp_list(self, site_code: str) -> str:
        """Management points for clients on the Internet, of which there are none in mixed mode."""
        if not self._roles.native:
            raise WrongSite("a site in mixed mode has no management points for Internet clients")
        return mp_list(await self._entries(site_code), self._roles.site_code)

    async def _entries(self, site_code: str) -> list[MPListEntry]:
        site = await self._site.site_info()
        mine = self._roles.site_code
        if site_code and site_code.upper() != mine:
            raise WrongSite(f"this management point serves {mine}, not {site_code}")
        return [
            MPListEntry(mp.computer.upper(), mp.fqdn, str(site.build_number), self._roles.ssl_state)
            for mp in self._roles.management_points
        ]

    # -- keys and certificates -------------------------------------------------------

    async def mp_certificate(self, _: str) -> str:
        signer = await asyncio.to_thread(self._pki.management_point, self._roles.role)
        return mpcert(signer.certificate)

    async def key_information(self, _: str) -> str:
        return await asyncio.to_thread(lambda: mp_key_information(self._key_information()))

    async def key_information_media(self, _: str) -> str:
        return await asyncio.to_thread(lambda: mp_key_information_media(self._key_information()))

    async def trusted_root_key(self, _: str) -> str:
        return await asyncio.to_thread(lambda: trusted_root_key(self._pki.trusted_root_key()))

    async def issuing_certificates(self, _: str) -> str:
        """The certificates that vouch in this site's name; signed by the site's signing key."""

        def make() -> str:
            signing = self._pki.site_signing()
            certificates = (signing.certificate, self._pki.trusted_root_key().certificate)
            return sms_issuing_certificates(certificates, signing)

        return await asyncio.to_thread(make)

    async def site_signing_certificate(self, _: str) -> str:
        def make() -> str:
            signer = self._pki.site_signing()
            return sitesigncert(signer.certificate, signer.sign(signer.certificate))

        return await asyncio.to_thread(make)

    def _key_information(self) -> KeyInformation:
        """Slow when the keys are first wanted: called in a thread."""
        role = self._roles.role
        return KeyInformation(
            name=role.computer.upper(),
            fqdn=role.fqdn,
            site_code=self._roles.site_code,
            certificate=self._pki.management_point(role).certificate,
            trusted_root_key=self._pki.trusted_root_key(),
        )

    # -- whoever asks ----------------------------------------------------------------

    async def boot_media_location(self, where: str) -> str:
        """Which site a computer started from media belongs to; it tells address and subnet.

        Every address is inside the only site there is; what is no address is not recognised.
        """
        known = _has_address(where)
        return await asyncio.to_thread(
            lambda: boot_media_location(self._key_information() if known else None)
        )

    async def client_affinity(self, smsid: str) -> str:
        """Whose computer a client is."""
        client = normalize_smsid(smsid.rpartition("=")[2])
        return client_affinity(client, await self._site.users_of(client))


def _has_address(where: str) -> bool:
    for part in where.split("&"):
        try:
            ipaddress.ip_address(part.rpartition("=")[2].strip())
        except ValueError:
            continue
        return True
    return False
