"""The doors of CCM_System: one application, several virtual directories, told apart by who may enter.

``/ccm_system`` takes anybody's message and believes only its signature; in native mode it wants a client
certificate. ``/ccm_system_windowsauth`` first finds out which Windows account the connection belongs
to. ``/ccm_system_altauth`` is for clients without certificate at a site that speaks TLS.
``/ccm_system_tokenauth`` is for tokens of a service this site does not have.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from emulator.errors import ClientCertificateNeeded
from emulator.logs import get_logger
from emulator.management_point.ccm_system import CcmSystem
from emulator.role import shows_certificate
from emulator.windows_authentication import WindowsAuthentication

CCM_POST = "CCM_POST"
TOKEN_HEADERS = (hdrs.AUTHORIZATION, "CCMToken")


class VirtualDirectories:
    """Answers ``CCM_POST`` at each of them, and whoever only looks whether they are there."""

    log = get_logger("IIS")

    def __init__(self, ccm_system: CcmSystem, windows: WindowsAuthentication, *, native: bool) -> None:
        self._ccm_system = ccm_system
        self._windows = windows
        self._native = native

    async def anonymous(self, request: web.Request) -> web.Response:
        """``/ccm_system/request``.

        Raises:
            ClientCertificateNeeded: in native mode, without one.
        """
        await self.check_certificate(request)
        return await self._ccm_system.request(request)

    async def check_certificate(self, request: web.Request) -> None:
        """What every directory without a door of its own demands in native mode.

        Raises:
            ClientCertificateNeeded: in native mode, without one.
        """
        if self._native and not shows_certificate(request):
            await request.read()  # or the connection could not be used for anything else
            raise ClientCertificateNeeded

    async def windows(self, request: web.Request) -> web.Response:
        """``/ccm_system_windowsauth`` and what is below: a handshake may ride on any verb.

        Raises:
            HTTPUnauthorized: with the next step of the handshake.
            HTTPMethodNotAllowed: Windows knows who asks, but this is no message.
        """
        if self._native and not request.secure:
            raise ClientCertificateNeeded("in native mode clients speak TLS")
        user = await self._windows.user(request)
        if request.method != CCM_POST or not request.path.lower().rstrip("/").endswith("/request"):
            raise web.HTTPMethodNotAllowed(request.method, [CCM_POST])
        return await self._ccm_system.request(request, user.name)

    async def alternative(self, request: web.Request) -> web.Response:
        """``/ccm_system_altauth``: a plain look is forbidden, an empty message answered with yes.

        Raises:
            ClientCertificateNeeded: anything but a message; or in native mode, without TLS.
        """
        if request.method != CCM_POST:
            raise ClientCertificateNeeded("the directory is for messages")
        if self._native and not request.secure:
            raise ClientCertificateNeeded("in native mode clients speak TLS")
        if not await request.read():
            # Not an empty answer: to a message that would mean "send it again".
            return web.Response(text="alternative authentication is available\n")
        return await self._ccm_system.request(request)

    async def token(self, request: web.Request) -> web.Response:
        """``/ccm_system_tokenauth``: refused, with what was wrong.

        Raises:
            HTTPUnauthorized: always; nobody here can issue or verify a token.
        """
        await request.read()
        shown = any(request.headers.get(name) for name in TOKEN_HEADERS)
        error = "invalid_token" if shown else "invalid_request"
        reason = "the site has no token service to verify it" if shown else "no bearer token was shown"
        self.log.warning("token refused", path=request.path, reason=reason)
        challenge = f'Bearer error="{error}", error_description="{reason}"'
        raise web.HTTPUnauthorized(
            headers={hdrs.WWW_AUTHENTICATE: challenge}, text=f"401 - Unauthorized: {reason}\n"
        )
