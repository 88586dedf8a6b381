"""SMS_ApplicationAssignment: the deployment of applications to a collection.

It is kept as it was made; clients of 2007 know no applications and are told nothing of it.
"""

from __future__ import annotations

import json
import uuid

from emulator.errors import InvalidObject
from emulator.site_database import provider
from emulator.site_database.condition import Any, Column, Compare, Kind
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Key, Object, Property, ProviderClass

CIS = 100  # applications of one deployment: a bound for strangers

# What a deployment may also say; kept and shown as it was given.
SETTING_NAMES: dict[Kind, str] = {
    "integer": "AssignmentAction AssignmentType DesiredConfigType OfferFlags OfferTypeID Priority "
               "SuppressReboot DPLocality",
    "boolean": "DisableMomAlerts Enabled LogComplianceToWinEvent NotifyUser OverrideServiceWindows "
               "RaiseMomAlertsOnFailure RebootOutsideOfServiceWindows RequireApproval SoftDeadlineEnabled "
               "SendDetailedNonComplianceStatus UpdateSupersedence UseGMTTimes UserUIExperience WoLEnabled",
    "string": "AssignmentDescription EnforcementDeadline StartTime ExpirationTime",
}  # fmt: skip
SETTINGS = [
    Property(name, kind=kind, access="create")
    for kind, names in SETTING_NAMES.items()
    for name in names.split()
]


class SmsApplicationAssignment(ProviderClass):
    name = "SMS_ApplicationAssignment"
    table = "CI_CIAssignments"
    view = "v_ApplicationAssignment"
    properties = (
        Property("AssignmentID", kind="integer", key=True),
        Property("AssignmentUniqueID", "Assignment_UniqueID"),
        Property("AssignmentName", access="create", required=True),
        Property("ApplicationName", access="create"),
        Property("AssignedCIs", kind="json"),
        Property("AssignedCI_UniqueID", kind="strings"),
        Property("TargetCollectionID", access="create", required=True),
        Property("CollectionName"),
        Property("Enabled", kind="boolean"),
        Property("NotifyUser", kind="boolean"),
        Property("Settings", kind="json"),
        Property("SourceSite"),
        Property("CreationTime", kind="datetime"),
    )

    def check(self, body: object, *, creating: bool) -> Object:
        if not isinstance(body, dict):
            return super().check(body, creating=creating)
        known = {p.name.lower(): p for p in SETTINGS}
        rest: Object = {}
        settings: Object = {}
        applications: object = None
        for name, value in body.items():
            lower = name.lower()
            if lower == "assignedcis":
                applications = value
            elif lower in known:
                settings[known[lower].name] = _setting(known[lower], value)
            elif lower not in ("collectionname", "sourcesite"):  # both follow from the rest
                rest[name] = value
        values = super().check(rest, creating=creating)
        return values | {"AssignedCIs": _numbers(applications), "Settings": settings}

    async def create(self, session: Session, values: Object) -> Key:
        wanted = values["AssignedCIs"]
        condition = Any(tuple(Compare(Column("CI_ID", "integer"), "=", ci) for ci in wanted))
        if await provider.count(session, "CI_ConfigurationItems", condition) != len(wanted):
            raise InvalidObject(f"AssignedCIs: there are not all of {wanted}")
        given = str(values["TargetCollectionID"])
        target = await provider.names(
            session, "Collections", "CollectionID", Compare(Column("CollectionID"), "=", given)
        )
        if not target:
            raise InvalidObject(f"TargetCollectionID: there is no collection {given}")
        unique = f"{{{str(uuid.uuid4()).upper()}}}"
        row = self.by_column(values) | {
            "TargetCollectionID": target[0],
            "Settings": json.dumps(values["Settings"]),
            "Assignment_UniqueID": unique,
            "SourceSite": self.place.site_code,
            "CreationTime": self.place.clock.now(),
        }
        await provider.insert(session, self.table, row)
        made = Compare(Column("Assignment_UniqueID"), "=", unique)
        return {"AssignmentID": int((await provider.names(session, self.table, "AssignmentID", made))[0])}

    async def delete(self, session: Session, key: Key) -> None:
        await provider.delete(session, self.table, self.by_column(key))

    def _object(self, row: Object) -> Object:
        """The settings stand among the other properties, as they were given."""
        shown = super()._object(row)
        return (shown.pop("Settings", None) or {}) | shown


def _setting(setting: Property, value: object) -> object:
    if setting.kind == "boolean" and value in (0, 1):  # SuppressReboot and its like come as numbers
        value = bool(value)
    return setting.check(value)


def _numbers(value: object) -> list[int]:
    if not isinstance(value, list) or not 0 < len(value) <= CIS:
        raise InvalidObject(f"AssignedCIs is a list of 1 to {CIS} CI_IDs")
    number = Property("AssignedCIs", kind="integer", most=2**31 - 1)
    return sorted({int(str(number.check(one))) for one in value})
