"""Site control (sitectrl): enters the site, its site systems and its accounts into the site database.

What stands in the role's settings is the truth at every start, as the site control file is in the
product: addresses may have changed, site systems may have come or gone.
"""

from __future__ import annotations

from emulator.protocol.names import nal_path
from emulator.security import User
from emulator.settings import DATABASES, RoleAddress, RoleKind, known_to_clients
from emulator.site_database.database import Session
from emulator.site_server.administrators import FULL_ADMINISTRATOR, SYSTEM
from emulator.site_server.component import Component
from emulator.site_server.sms_admin import FULL

ROLE_NAMES: dict[RoleKind, str] = {
    "site_server": "SMS Site Server",
    "site_database": "SMS SQL Server",
    "management_point": "SMS Management Point",
    "distribution_point": "SMS Distribution Point",
    "database_replica": "SMS Database Replica Server",
}


class SiteControl(Component):
    """Writes Sites, SysResList, users and administrators once; the site database may let it wait."""

    log_name = "sitectrl"

    async def work(self) -> float | None:
        settings = self.settings
        management_points = known_to_clients(settings.of_kind("management_point"))
        async with self.database.transaction() as session:
            await session.execute(
                "sitectrl_site",
                settings.site_code,
                settings.site_name,
                settings.role.computer,
                management_points[0].fqdn if management_points else None,
            )
            systems = [self._system(role) for role in settings.roles]
            await session.executemany("sitectrl_system", systems)
            await session.execute(
                "sitectrl_forget_others", settings.site_code, [s[0] for s in systems], [s[1] for s in systems]
            )
            await self._enter_accounts(session)
        self.log.info("site entered", site_code=settings.site_code, site_systems=len(systems))
        return None

    async def _enter_accounts(self, session: Session) -> None:
        """What user discovery would find in the site's domain, and who of them administers the site."""
        users = self.settings.security.users
        now = self.clock.now()
        people = [user for user in users if not user.account.endswith("$")]
        await session.executemany("adusrdis_user", [(*_discovered(user), now) for user in people])
        names = [user.name for user in users if user.administrator]
        await session.execute("rbac_forget_others", [name.lower() for name in names])
        site_code = self.settings.site_code
        rows = [(name, FULL, FULL_ADMINISTRATOR, site_code, SYSTEM, now) for name in names]
        await session.executemany("rbac_enter", rows)

    def _system(self, role: RoleAddress) -> tuple[object, ...]:
        site_code = self.settings.site_code
        url = "" if role.kind in DATABASES else role.public_url
        path = nal_path(role.computer, site_code)
        return (path, ROLE_NAMES[role.kind], role.computer, role.fqdn, site_code, url)


def _discovered(user: User) -> tuple[str, ...]:
    """A user as the directory would describe the account."""
    domain = f"{user.domain.lower()}.test"
    parts = ",".join(f"DC={part}" for part in domain.split("."))
    return (
        f"{user.domain}\\{user.account}",
        user.account,
        user.domain,
        domain.upper(),
        user.account,
        f"CN={user.account},CN=Users,{parts}",
        f"{user.account}@{domain}",
    )
