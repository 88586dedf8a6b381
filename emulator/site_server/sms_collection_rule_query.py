"""SMS_CollectionRuleQuery: what tells whether a membership query would be understood, before it is a rule."""

from __future__ import annotations

from emulator.errors import UnsupportedQuery
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Arguments, Object, Place, Property, ProviderClass
from emulator.site_server.read_only_classes import nothing
from emulator.site_server.sms_system import SmsSystem
from emulator.site_server.wql import parse_wql


class SmsCollectionRuleQuery(ProviderClass):
    name = "SMS_CollectionRuleQuery"
    properties = (Property("RuleName", key=True), Property("QueryExpression"))
    table = nothing(name, properties)  # rules stand in their collections

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._attributes = SmsSystem(place).columns
        self.statics = {"ValidateQuery": self.validate}

    async def validate(self, session: Session, arguments: Arguments) -> Object:
        """ValidateQuery: ReturnValue says it; the reason stands beside a no."""
        query = str(Property("WQLQuery", required=True).check(arguments.get("wqlquery")))
        try:
            parse_wql(query, self._attributes)
        except UnsupportedQuery as exc:
            return {"ReturnValue": False, "Reason": str(exc)}
        return {"ReturnValue": True}
