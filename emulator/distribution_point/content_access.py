"""Who may read: what IIS asks before a distribution point's virtual directories are entered.

Mixed mode serves everybody, or whoever shows a Windows account where anonymous access is off. Native
mode wants TLS and a client certificate; ``NOCERT_`` directories want TLS only. The answers are those
by which public clients tell one case from the other: 401 for credentials, 403 for a certificate
(wire.md 1.4).
"""

from __future__ import annotations

from aiohttp import hdrs, web

from emulator.distribution_point.virtual_directory import Entrance
from emulator.errors import ClientCertificateNeeded
from emulator.role import shows_certificate
from emulator.settings import RoleSettings
from emulator.windows_authentication import WindowsAuthentication


class ContentAccess:
    """Lets a request in, or says what it lacks."""

    def __init__(self, settings: RoleSettings) -> None:
        security = settings.security
        self._native = security.mode == "native"
        self._windows = (
            None
            if security.anonymous_content
            else WindowsAuthentication(security.users, settings.data / "windows_authentication")
        )

    def open_to_all(self, entrance: Entrance) -> bool:
        """Nothing has to be asked of anybody."""
        return self._windows is None and not self._native and entrance is Entrance.ORDINARY

    async def check(self, request: web.Request, entrance: Entrance) -> None:
        """Return when the request may enter.

        Raises:
            ClientCertificateNeeded: TLS, or the certificate that belongs to it, is missing.
            HTTPUnauthorized: credentials are missing or wrong.
        """
        if (self._native or entrance is not Entrance.ORDINARY) and not request.secure:
            raise ClientCertificateNeeded("this virtual directory is read over TLS")
        if entrance is Entrance.TOKEN:
            _refuse_token(request)
        if self._native and entrance is Entrance.ORDINARY:
            # The certificate is the credential: IIS maps it to an account.
            if not shows_certificate(request):
                raise ClientCertificateNeeded("a client certificate is needed")
        elif self._windows is not None:
            await self._windows.user(request)


def _refuse_token(request: web.Request) -> None:
    """Tokens are issued by a service this site does not have, so none can be right."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        raise web.HTTPForbidden(text="403 - Forbidden: the token cannot be verified here\n")
    raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: "Bearer"}, text="401 - Unauthorized\n")
