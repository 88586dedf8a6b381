"""SMS_Advertisement: a program of a package, offered to a collection.

It is mandatory when AdvertFlags has IMMEDIATE (then at PresentTime), when it waits for a user to
log on or off, or when it has an AssignedSchedule: tokens of 16 hex characters, or objects with
StartTime, DaySpan, HourSpan and MinuteSpan that become such tokens.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from emulator.errors import InvalidObject, MalformedMessage
from emulator.protocol.schedule import ScheduleToken, parse_schedule
from emulator.site_database import provider
from emulator.site_database.condition import All, Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Key, Object, Property, ProviderClass

MAX_TOKENS = 15
SPANS = {"DaySpan": 31, "HourSpan": 23, "MinuteSpan": 59}  # property -> most
# RemoteClientFlags: at most one of them
RERUN = {0x800: "RerunAlways", 0x1000: "NeverRerun", 0x2000: "RerunIfFail", 0x4000: "RerunIfSuccess"}


class SmsAdvertisement(ProviderClass):
    name = "SMS_Advertisement"
    table = "ProgramOffers"
    properties = (
        Property("AdvertisementID", "OfferID", key=True),
        Property("AdvertisementName", "OfferName", access="write", required=True),
        Property("Comment", access="write"),
        Property("PackageID", "PkgID", access="write", required=True),
        Property("ProgramName", access="write", required=True),
        Property("CollectionID", access="write", required=True),
        Property("SourceSite"),
        Property("OfferType", kind="integer", access="write", most=2),
        Property("PresentTime", kind="datetime", access="write"),
        Property("ExpirationTime", kind="datetime", access="write"),
        Property("ExpirationTimeEnabled", kind="boolean", access="write"),
        Property("AssignedSchedule", access="write"),
        Property("AssignedScheduleEnabled", kind="boolean", access="write"),
        Property("AdvertFlags", kind="integer", access="write"),
        Property("RemoteClientFlags", kind="integer", access="write"),
        Property("Priority", kind="integer", access="write", most=3),
    )

    def check_value(self, settable_property: Property, value: object) -> object:
        if settable_property.name == "AssignedSchedule":
            return schedule_text(value)
        if settable_property.name == "ExpirationTime" and value is None:
            return None
        return super().check_value(settable_property, value)

    async def create(self, session: Session, values: Object) -> Key:
        values.setdefault("PresentTime", self.place.clock.now())
        await self._check(session, values)
        offer_id = await provider.next_object_id(session, self.place.site_code)
        row = self.by_column(values) | {"OfferID": offer_id, "SourceSite": self.place.site_code}
        await provider.insert(session, self.table, row)
        return {"AdvertisementID": offer_id}

    async def change(self, session: Session, key: Key, values: Object) -> None:
        before = await self.get(session, key)
        # What is not changed is checked too: package and program must still fit each other.
        unchanged = {n: before[n] for n in ("PackageID", "ProgramName", "CollectionID", "RemoteClientFlags")}
        if "ExpirationTime" not in values and before["ExpirationTime"]:
            unchanged["ExpirationTime"] = before["ExpirationTime"]
        merged = unchanged | values
        await self._check(session, merged)
        changed = {name: merged[name] for name in merged if name in values or name not in before}
        changed |= {n: merged[n] for n in ("ExpirationTimeEnabled", "AssignedScheduleEnabled") if n in merged}
        await provider.update(session, self.table, self.by_column(key), self.by_column(changed))

    async def delete(self, session: Session, key: Key) -> None:
        await provider.delete(session, self.table, self.by_column(key))

    async def _check(self, session: Session, values: Object) -> None:
        values["PackageID"] = values["PackageID"].upper()
        values["CollectionID"] = values["CollectionID"].upper()
        package = Compare(Column("PkgID"), "=", values["PackageID"])
        await _must_exist(session, "package", "SMSPackages", Column("PkgID"), values["PackageID"])
        program = All((package, Compare(Column("Name"), "=", values["ProgramName"])))
        found = await provider.names(session, "PkgPrograms", "Name", program)
        if not found:
            there = await provider.names(session, "PkgPrograms", "Name", package)
            raise InvalidObject(
                f"package {values['PackageID']} has no program {values['ProgramName']!r}; "
                f"it has {', '.join(there) or 'none'}"
            )
        values["ProgramName"] = found[0]
        collection = Column("CollectionID")
        await _must_exist(session, "collection", "Collections", collection, values["CollectionID"])
        if values.get("ExpirationTime") is None and values.get("ExpirationTimeEnabled"):
            raise InvalidObject("ExpirationTimeEnabled needs an ExpirationTime")
        if isinstance(values.get("ExpirationTime"), datetime):
            values.setdefault("ExpirationTimeEnabled", True)
        if values.get("AssignedSchedule"):
            values.setdefault("AssignedScheduleEnabled", True)
        if isinstance(values.get("PresentTime"), datetime) and values["PresentTime"].year < 1970:
            raise InvalidObject("PresentTime lies before 1970, where schedules begin")
        rerun = [name for bit, name in RERUN.items() if values.get("RemoteClientFlags", 0) & bit]
        if len(rerun) > 1:
            raise InvalidObject(f"RemoteClientFlags says {' and '.join(rerun)}; one of them is expected")


async def _must_exist(session: Session, noun: str, table: str, column: Column, value: str) -> None:
    if not await provider.count(session, table, Compare(column, "=", value)):
        there = await provider.names(session, table, column.name, All(()))
        raise InvalidObject(f"there is no {noun} {value}; there are {', '.join(there) or 'none'}")


def schedule_text(value: object) -> str:
    """An AssignedSchedule as tokens of 16 hex characters each.

    Raises:
        InvalidObject: it is neither such a text nor a list of token objects.
    """
    if isinstance(value, list):
        text = "".join(_token(item).to_text() for item in value)
    elif isinstance(value, str):
        text = value.upper()
    else:
        raise InvalidObject("AssignedSchedule is a text of tokens or a list of token objects")
    try:
        tokens = parse_schedule(text)
    except MalformedMessage as exc:
        raise InvalidObject(f"AssignedSchedule: {exc}") from exc
    if len(tokens) > MAX_TOKENS:
        raise InvalidObject(f"AssignedSchedule has {len(tokens)} tokens; at most {MAX_TOKENS} are allowed")
    return text


def _token(item: object) -> ScheduleToken:
    if not isinstance(item, dict) or "StartTime" not in item:
        raise InvalidObject("a token of AssignedSchedule is an object with a StartTime")
    unknown = [name for name in item if name not in SPANS and name != "StartTime" and name[0] != "@"]
    if unknown:
        there = ", ".join(("StartTime", *SPANS))
        raise InvalidObject(f"a schedule token has no {', '.join(unknown)}; it has {there}")
    start = Property("StartTime", kind="datetime").check(item["StartTime"])
    spans = [Property(n, kind="integer", most=most).check(item.get(n, 0)) for n, most in SPANS.items()]
    assert isinstance(start, datetime)
    days, hours, minutes = (int(str(span)) for span in spans)
    recur = timedelta(days=days, hours=hours, minutes=minutes)
    return ScheduleToken(start.astimezone(UTC), recur or None, timedelta(0))
