"""SMS_DistributionPoint: a package that shall be on a distribution point.

An object says what is wanted; how far it has come is SMS_PackageStatus. Deleting one takes the
content away: it is not offered to clients from the commit on, and the row goes once the
distribution point has dropped the files.
"""

from __future__ import annotations

from emulator.errors import InvalidObject, ObjectConflict
from emulator.site_database import provider
from emulator.site_database.condition import All, Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Key, Object, Property, ProviderClass

NO_SOURCE = 1  # a package's PkgSourceFlag
ACTION_DELETE = 3  # PkgServers.Action, and a package's ActionInProgress
ROLE_NAME = "SMS Distribution Point"


class SmsDistributionPoint(ProviderClass):
    name = "SMS_DistributionPoint"
    table = "PkgServers"
    properties = (
        Property("PackageID", "PkgID", access="create", key=True, required=True),
        Property("ServerNALPath", "NALPath", access="create", key=True, required=True),
        Property("SiteCode", access="create"),
        Property("Status", "Action", "integer"),
        Property("RefreshNow", "(Action = 1)", "boolean", access="write"),
        Property("LastRefreshTime", "LastRefresh", "datetime"),
    )

    def key_of(self, given: list[tuple[str | None, object]]) -> Key:
        """The product's key has the site code as well; it may be given, and adds nothing here."""
        return super().key_of([pair for pair in given if (pair[0] or "").lower() != "sitecode"])

    async def create(self, session: Session, values: Object) -> Key:
        if values.get("SiteCode", self.place.site_code) != self.place.site_code:
            raise InvalidObject(f"SiteCode is {values['SiteCode']!r}; this site is {self.place.site_code}")
        package_id = await self._package(session, values["PackageID"].upper())
        nal_path = await self._nal_path(session, values["ServerNALPath"])
        status = await session.execute(
            "provider_add_distribution_point",
            package_id,
            nal_path,
            self.place.site_code,
            self.place.clock.now(),
        )
        if status.endswith(" 0"):
            raise ObjectConflict(f"package {package_id} is on {nal_path} already")
        return {"PackageID": package_id, "ServerNALPath": nal_path}

    async def change(self, session: Session, key: Key, values: Object) -> None:
        """RefreshNow copies the same version again."""
        if values.get("RefreshNow"):
            await session.execute("provider_refresh_now", key["PackageID"], key["ServerNALPath"])

    async def delete(self, session: Session, key: Key) -> None:
        await provider.update(session, self.table, self.by_column(key), {"Action": ACTION_DELETE})
        await session.execute(
            "provider_pending_remove", key["PackageID"], key["ServerNALPath"], self.place.clock.now()
        )

    async def _package(self, session: Session, package_id: str) -> str:
        rows = await provider.select(
            session,
            provider.Selection(
                table="SMSPackages",
                columns={
                    "flag": Column("PkgSourceFlag", "integer"),
                    "action": Column("ActionInProgress", "integer"),
                },
                condition=Compare(Column("PkgID"), "=", package_id),
            ),
        )
        if not rows:
            there = await provider.names(session, "SMSPackages", "PkgID", All(()))
            raise InvalidObject(f"there is no package {package_id}; there are {', '.join(there) or 'none'}")
        if rows[0]["action"] == ACTION_DELETE:
            raise ObjectConflict(f"package {package_id} is being deleted")
        if rows[0]["flag"] == NO_SOURCE:
            raise InvalidObject(f"package {package_id} has no source files to distribute")
        return package_id

    async def _nal_path(self, session: Session, given: str) -> str:
        role = Compare(Column("RoleName"), "=", ROLE_NAME)
        named = All((role, Compare(Column("NALPath"), "=", given)))
        found = await provider.names(session, "SysResList", "NALPath", named)
        if not found:
            there = await provider.names(session, "SysResList", "NALPath", role)
            raise InvalidObject(
                f"there is no distribution point {given}; there are {', '.join(there) or 'none'}"
            )
        return found[0]
