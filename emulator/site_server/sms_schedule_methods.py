"""SMS_ScheduleMethods: schedules as tokens and as the text that advertisements carry."""

from __future__ import annotations

from emulator.errors import InvalidObject
from emulator.protocol.schedule import ScheduleToken, parse_schedule
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Arguments, Object, Place, Property, ProviderClass
from emulator.site_server.read_only_classes import nothing
from emulator.site_server.sms_advertisement import schedule_text


class SmsScheduleMethods(ProviderClass):
    name = "SMS_ScheduleMethods"
    properties = (Property("Name", key=True),)
    table = nothing(name, properties)  # a class of methods: it has no objects

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.statics = {"ReadFromString": self.read, "WriteToString": self.write}

    async def read(self, session: Session, arguments: Arguments) -> Object:
        """ReadFromString: the tokens of a text."""
        text = Property("StringData").check(arguments.get("stringdata"))
        tokens = parse_schedule(schedule_text(text))
        return {"TokenData": [_shown(token) for token in tokens], "ReturnValue": 0}

    async def write(self, session: Session, arguments: Arguments) -> Object:
        """WriteToString: the text of tokens."""
        tokens = arguments.get("tokendata")
        if not isinstance(tokens, list):
            raise InvalidObject('{"TokenData": [{"StartTime": "2026-11-23T11:00:00Z"}]} is expected')
        return {"StringData": schedule_text(tokens), "ReturnValue": 0}


def _shown(token: ScheduleToken) -> Object:
    shown: Object = {
        "@odata.type": "#AdminService.SMS_ST_NonRecurring",
        "StartTime": token.start.isoformat().replace("+00:00", "Z"),
    }
    if token.recur is None:
        return shown
    minutes = token.recur.seconds // 60
    return shown | {
        "@odata.type": "#AdminService.SMS_ST_RecurInterval",
        "DaySpan": token.recur.days,
        "HourSpan": minutes // 60,
        "MinuteSpan": minutes % 60,
    }
