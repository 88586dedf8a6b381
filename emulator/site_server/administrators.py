"""Who may use the SMS Provider: the roles of this site by their secret, people by Windows authentication.

Both ways are open on both ports. Of the site's accounts, those are let in whom the topology
calls administrators, and those whom an administrator made one (``SMS_Admin``, Full Administrator).
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from aiohttp import hdrs, web

from emulator.errors import NotAnAdministrator
from emulator.security import User
from emulator.site_database.database import SiteDatabase
from emulator.windows_authentication import WindowsAuthentication

SYSTEM = "NT AUTHORITY\\SYSTEM"  # whoever shows the site's secret acts as the site server itself
FULL_ADMINISTRATOR = "Full Administrator"

# Who asks, in the task that answers: scripts remember their author, objects who made them.
CALLER: ContextVar[str] = ContextVar("caller", default=SYSTEM)


class Door(Protocol):
    """What is needed of the role whose secret opens it."""

    def require_secret(self, request: web.Request) -> None: ...


class Administrators:
    """Knows who is asking, and whether they may."""

    def __init__(self, database: SiteDatabase, users: tuple[User, ...], folder: Path) -> None:
        self._database = database
        self._windows = WindowsAuthentication(users, folder)

    async def admit(self, request: web.Request, role: Door) -> str:
        """The account that is asking.

        Raises:
            NotAuthorized: the secret that was shown is wrong.
            HTTPUnauthorized: no credentials, wrong ones, or a handshake that goes on.
            NotAnAdministrator: the account is right, and may not.
            SiteDatabaseUnavailable: nobody can say whether the account may.
        """
        if request.headers.get(hdrs.AUTHORIZATION, "")[:7].lower() == "bearer ":
            role.require_secret(request)
            return SYSTEM
        user = await self._windows.user(request)
        if not (user.administrator or await self._made_administrator(user)):
            raise NotAnAdministrator(f"{user.name} is none of the site's administrators")
        return user.name

    async def _made_administrator(self, user: User) -> bool:
        return bool(await self._database.fetchval("rbac_is_administrator", user.name, FULL_ADMINISTRATOR))
