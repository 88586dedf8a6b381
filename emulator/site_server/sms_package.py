"""SMS_Package: files in a source folder of the site server, or none, that programs run from.

Deleting takes the content from the distribution points first, so a package that has been on one
stays readable with ActionInProgress 3 (DELETE) until the distribution manager is done.
"""

from __future__ import annotations

from pathlib import PurePath

from emulator.errors import InvalidObject, ObjectConflict
from emulator.site_database import provider
from emulator.site_database.condition import Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property, ProviderClass
from emulator.site_server.sms_distribution_point import ACTION_DELETE, NO_SOURCE, SmsDistributionPoint

DIRECT = 2  # PkgSourceFlag
POINTS = 1000  # distribution points in one call


class SmsPackage(ProviderClass):
    name = "SMS_Package"
    table = "SMSPackages"
    properties = (
        Property("PackageID", "PkgID", key=True),
        Property("Name", access="write", required=True),
        Property("Version", access="write"),
        Property("Language", access="write"),
        Property("Manufacturer", access="write"),
        Property("Description", access="write"),
        Property("PkgSourcePath", "Source", access="write"),
        Property("PkgSourceFlag", kind="integer", access="write", most=DIRECT),
        Property("SourceSite"),
        Property("SourceVersion", kind="integer"),
        Property("SourceDate", kind="datetime"),
        Property("StoredPkgVersion", kind="integer"),
        Property("SourceSize", kind="integer"),
        Property("PkgSourceHash"),
        Property("PkgFlags", kind="integer", access="write"),
        Property("PackageType", kind="integer", access="create", most=0),
        Property("Priority", kind="integer", access="write", most=3),
        Property("ActionInProgress", kind="integer"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.methods = {
            "RefreshPkgSource": self.refresh,
            "AddDistributionPoints": self.add_distribution_points,
        }

    async def create(self, session: Session, values: Object) -> Key:
        # An administrator who names a folder means it: the product's default would be 1, no source.
        values.setdefault("PkgSourceFlag", DIRECT if values.get("PkgSourcePath") else NO_SOURCE)
        self._check_source(values)
        package_id = await provider.next_object_id(session, self.place.site_code)
        row = self.by_column(values) | {
            "PkgID": package_id,
            "SourceSite": self.place.site_code,
            "SourceDate": self.place.clock.now(),
        }
        await provider.insert(session, self.table, row)
        return {"PackageID": package_id}

    async def change(self, session: Session, key: Key, values: Object) -> None:
        """A new source is a new version, as an update of the distribution points is in the product."""
        before = await self._present(session, key)
        after = before | values
        self._check_source(after)
        await provider.update(session, self.table, self.by_column(key), self.by_column(values))
        if any(after[name] != before[name] for name in ("PkgSourcePath", "PkgSourceFlag")):
            await self._new_version(session, key)

    async def delete(self, session: Session, key: Key) -> None:
        package = {"PkgID": key["PackageID"]}
        await self._present(session, key)
        advertised = await provider.names(
            session, "ProgramOffers", "OfferID", Compare(Column("PkgID"), "=", str(key["PackageID"]))
        )
        if advertised:
            raise ObjectConflict(f"package {key['PackageID']} is advertised by {', '.join(advertised)}")
        if await provider.update(session, "PkgServers", package, {"Action": ACTION_DELETE}):
            await session.execute("provider_package_pending_remove", key["PackageID"], self.place.clock.now())
            await provider.update(session, self.table, package, {"ActionInProgress": ACTION_DELETE})
        else:
            await provider.delete(session, self.table, package)

    async def refresh(self, session: Session, key: Key, arguments: object) -> Object:
        """RefreshPkgSource: read the source folder anew, as the next version."""
        if (await self._present(session, key))["PkgSourceFlag"] == NO_SOURCE:
            raise InvalidObject(f"package {key['PackageID']} has no source files to refresh")
        await self._new_version(session, key)
        return {"ReturnValue": 0}

    async def add_distribution_points(self, session: Session, key: Key, arguments: Arguments) -> Object:
        """AddDistributionPoints: put the package on several at once, all or none."""
        names = arguments.get("nalpath")
        sites = arguments.get("sitecode") or []
        if not isinstance(names, list) or not names or len(names) > POINTS:
            raise InvalidObject(f"NALPath is a list of 1 to {POINTS} distribution points")
        if not isinstance(sites, list) or len(sites) not in (0, len(names)):
            raise InvalidObject("SiteCode is a list with a site for each NALPath")
        points = SmsDistributionPoint(self.place)
        for number, name in enumerate(names):
            values = {"PackageID": key["PackageID"], "ServerNALPath": name}
            if sites:
                values["SiteCode"] = sites[number]
            await points.create(session, points.check(values, creating=True))
        return {"ReturnValue": 0}

    async def _new_version(self, session: Session, key: Key) -> None:
        await session.execute("provider_new_package_version", key["PackageID"], self.place.clock.now())

    async def _present(self, session: Session, key: Key) -> Object:
        package = await self.get(session, key)
        if package["ActionInProgress"] == ACTION_DELETE:
            raise ObjectConflict(f"package {key['PackageID']} is being deleted")
        return package

    @staticmethod
    def _check_source(values: Object) -> None:
        path = str(values.get("PkgSourcePath") or "")
        if values["PkgSourceFlag"] not in (NO_SOURCE, DIRECT):
            raise InvalidObject("PkgSourceFlag is 1 (no source files) or 2 (files in PkgSourcePath)")
        if values["PkgSourceFlag"] == DIRECT and not PurePath(path).is_absolute():
            raise InvalidObject(
                f"PkgSourcePath is {path!r}; an absolute folder of the site server is expected"
            )
