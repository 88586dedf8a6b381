"""SMS_Collection: resources that share something, named by membership rules.

``CollectionRules`` is a lazy property: it comes with a single object, not in lists. Rules are
checked when they are made, so that the evaluator meets none it cannot answer. Collections here hold
devices, and are limited to All Systems; other ones are refused, because nobody would evaluate them.

``SMS_CM_RES_COLL_<CollectionID>`` is a class of its own for every collection: its members.
"""

from __future__ import annotations

from collections.abc import Mapping

from emulator.errors import InvalidObject, ObjectConflict, ObjectNotFound
from emulator.site_database import provider, registration
from emulator.site_database.condition import Column, Compare
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_server.provider_class import Key, Object, Place, Property, ProviderClass
from emulator.site_server.sms_system import SmsSystem
from emulator.site_server.wql import parse_wql

AWAITING_REFRESH = 5  # CurrentStatus
DEVICES, ALL_SYSTEMS = 2, "SMS00001"  # CollectionType, CollectionID
MAX_RULES = 1000  # in one request: a bound for strangers
DIRECT, QUERY = "SMS_CollectionRuleDirect", "SMS_CollectionRuleQuery"
RULE_PROPERTIES = {
    "rulename", "resourceclassname", "resourceid", "queryexpression", "queryid",
}  # fmt: skip


class SmsCollection(ProviderClass):
    name = "SMS_Collection"
    table = "Collections"
    view = "v_Collection"
    lazy = ("CollectionRules",)
    properties = (
        Property("CollectionID", key=True),
        Property("Name", access="write", required=True),
        Property("Comment", access="write"),
        Property("OwnedByThisSite", kind="boolean"),
        Property("RefreshType", kind="integer", access="write", most=4),
        Property("CurrentStatus", kind="integer"),
        Property("LastRefreshTime", kind="datetime"),
        Property("MemberCount", kind="integer"),
        Property("CollectionType", kind="integer", access="create"),
        Property("LimitToCollectionID", access="create"),
        Property("LimitToCollectionName"),
        Property("IsBuiltIn", kind="boolean"),
        Property("MemberClassName"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._systems = SmsSystem(place)
        self.methods = {
            "AddMembershipRule": self.add_rule,
            "DeleteMembershipRule": self.delete_rule,
            "AddMembershipRules": self.add_rules,
            "DeleteMembershipRules": self.delete_rules,
            "RequestRefresh": self.request_refresh,
            "GetNumResults": self.number_of_results,
        }
        self.statics = {"ApproveClients": self.approve_clients}

    async def get(self, db: SiteDatabase | Session, key: Key) -> Object:
        collection = await super().get(db, key)
        rows = await db.fetch("provider_collection_rules", collection["CollectionID"])
        return collection | {"CollectionRules": [_rule_object(dict(row)) for row in rows]}

    def check(self, body: object, *, creating: bool) -> Object:
        if isinstance(body, dict):
            rules = body.get("CollectionRules", [])
            rest = {name: value for name, value in body.items() if name != "CollectionRules"}
            values = super().check(rest, creating=creating)
            _check_kind(values)
            if not isinstance(rules, list) or (rules and not creating):
                raise InvalidObject(
                    "CollectionRules is a list of rules, given when the collection is made; "
                    "AddMembershipRule and DeleteMembershipRule change it later"
                )
            return values | {"CollectionRules": rules} if creating else values
        return super().check(body, creating=creating)

    async def create(self, session: Session, values: Object) -> Key:
        rules = values.pop("CollectionRules")
        collection_id = await provider.next_object_id(session, self.place.site_code)
        await provider.insert(session, self.table, self.by_column(values) | {"CollectionID": collection_id})
        key = {"CollectionID": collection_id}
        for rule in rules:
            await self.add_rule(session, key, {"collectionRule": rule})
        return key

    async def change(self, session: Session, key: Key, values: Object) -> None:
        await provider.update(session, self.table, self.by_column(key), self.by_column(values))

    async def delete(self, session: Session, key: Key) -> None:
        collection_id = str(key["CollectionID"])
        if collection_id.startswith("SMS"):
            raise ObjectConflict(f"collection {collection_id} is built in")
        offers = await provider.names(
            session, "ProgramOffers", "OfferID", Compare(Column("CollectionID"), "=", collection_id)
        )
        if offers:
            raise ObjectConflict(f"advertised to collection {collection_id}: {', '.join(offers)}")
        await provider.delete(session, self.table, self.by_column(key))

    # -- methods -------------------------------------------------------------------

    async def add_rule(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """AddMembershipRule: a direct rule names a resource, a query rule describes many."""
        rule = await self._check_rule(session, _rule_argument(arguments))
        await provider.insert(session, "CollectionRules", rule | {"CollectionID": key["CollectionID"]})
        await self.request_refresh(session, key, {})
        return {"ReturnValue": 0}

    async def delete_rule(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """DeleteMembershipRule: by the rule's name."""
        rule = _rule_argument(arguments)
        row = {"CollectionID": key["CollectionID"], "RuleName": str(rule.get("rulename", ""))}
        if not await provider.delete(session, "CollectionRules", row):
            raise ObjectNotFound(f"collection {row['CollectionID']} has no rule {row['RuleName']!r}")
        await self.request_refresh(session, key, {})
        return {"ReturnValue": 0}

    async def add_rules(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """AddMembershipRules: all of them, or none."""
        for rule in _rules_argument(arguments):
            await self.add_rule(session, key, {"collectionrule": rule})
        return {"ReturnValue": 0}

    async def delete_rules(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """DeleteMembershipRules: all of them, or none."""
        for rule in _rules_argument(arguments):
            await self.delete_rule(session, key, {"collectionrule": rule})
        return {"ReturnValue": 0}

    async def number_of_results(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """GetNumResults: how many members there are now."""
        members = Compare(Column("CollectionID"), "=", str(key["CollectionID"]))
        return {"Result": await provider.count(session, "CollectionMembers", members), "ReturnValue": 0}

    async def request_refresh(self, session: Session, key: Key, arguments: Mapping[str, object]) -> Object:
        """RequestRefresh: the evaluator looks again."""
        await provider.update(
            session, self.table, {"CollectionID": key["CollectionID"]}, {"CurrentStatus": AWAITING_REFRESH}
        )
        return {"ReturnValue": 0}

    async def approve_clients(self, session: Session, arguments: Mapping[str, object]) -> Object:
        """ApproveClients: the clients may have policies with secrets, or no longer."""
        number = Property("ResourceIds", kind="integer", most=2**31 - 1)
        given = arguments.get("resourceids")
        if not isinstance(given, list) or not given:
            raise InvalidObject('{"ResourceIds": [16777219], "Approved": true} is expected')
        approved = Property("Approved", kind="boolean").check(arguments.get("approved", True))
        resources = [int(str(number.check(one))) for one in given]
        changed = await registration.approve_within(session, resources, bool(approved))
        return {"ReturnValue": 0, "Changed": sorted(changed)}

    async def _check_rule(self, session: Session, rule: Mapping[str, object]) -> dict[str, object]:
        name = Property("RuleName", required=True).check(rule.get("rulename", ""))
        if str(rule.get("resourceclassname", self._systems.name)) != self._systems.name:
            raise InvalidObject(
                f"ResourceClassName is {rule['resourceclassname']!r}; SMS_R_System is expected"
            )
        if "queryexpression" in rule:
            expression = str(Property("QueryExpression").check(rule["queryexpression"]))
            parse_wql(expression, self._systems.columns)
            return {"RuleName": name, "RuleType": QUERY, "QueryExpression": expression}
        resource = Property("ResourceID", kind="integer", most=2**31 - 1).check(rule.get("resourceid"))
        if not await provider.count(session, "System_DISC", self._systems._is({"ResourceId": resource})):
            there = await self._systems.choices(session)
            raise InvalidObject(f"there is no resource {resource}; there are {there}")
        return {"RuleName": name, "RuleType": DIRECT, "ResourceID": resource}


class CollectionMembers(ProviderClass):
    """The members of one collection: ``SMS_CM_RES_COLL_<CollectionID>``."""

    prefix = "SMS_CM_RES_COLL_"
    table = "v_FullCollectionMembership"
    properties = (
        Property("ResourceID", kind="integer", key=True),
        Property("ResourceType", kind="integer"),
        Property("Name"),
        Property("SMSID"),
        Property("IsDirect", kind="boolean"),
    )

    def __init__(self, place: Place, collection_id: str) -> None:
        super().__init__(place)
        self.name = self.prefix + collection_id
        self.scope = Compare(Column("CollectionID"), "=", collection_id)

    @classmethod
    async def named(cls, db: SiteDatabase, place: Place, name: str) -> CollectionMembers | None:
        """The class of this name, if there is such a collection."""
        if not name.upper().startswith(cls.prefix):
            return None
        asked = Compare(Column("CollectionID"), "=", name[len(cls.prefix) :])
        found = await provider.names(db, "Collections", "CollectionID", asked)
        return cls(place, found[0]) if found else None


def _check_kind(values: Object) -> None:
    if values.get("RefreshType", 4) not in (1, 2, 4):
        raise InvalidObject("RefreshType is 1 (manual), 2 (periodic) or 4 (constant)")
    if values.get("CollectionType", DEVICES) != DEVICES:
        raise InvalidObject("CollectionType is 2 (devices); collections of users are not evaluated here")
    if str(values.get("LimitToCollectionID", ALL_SYSTEMS)).upper() != ALL_SYSTEMS:
        raise InvalidObject(f"LimitToCollectionID is {ALL_SYSTEMS}; other limits are not evaluated here")
    if "LimitToCollectionID" in values:
        values["LimitToCollectionID"] = ALL_SYSTEMS


def _rule_argument(arguments: Mapping[str, object]) -> dict[str, object]:
    given = {name.lower(): value for name, value in arguments.items()}.get("collectionrule")
    if not isinstance(given, dict):
        raise InvalidObject('{"collectionRule": {...}} is expected')
    kind = str(given.get("@odata.type", "")).rpartition(".")[2]
    if kind not in ("", DIRECT, QUERY):
        raise InvalidObject(f"a rule is a {DIRECT} or a {QUERY}, not a {kind!r}")
    rule = {name.lower(): value for name, value in given.items() if not name.startswith("@")}
    unknown = set(rule) - RULE_PROPERTIES
    if unknown:
        raise InvalidObject(f"a membership rule has no property {', '.join(sorted(unknown))}")
    if (kind == DIRECT and "queryexpression" in rule) or (kind == QUERY and "resourceid" in rule):
        raise InvalidObject("a direct rule has a ResourceID, a query rule a QueryExpression")
    return rule


def _rules_argument(arguments: Mapping[str, object]) -> list[object]:
    given = arguments.get("collectionrules")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_RULES:
        raise InvalidObject(f'{{"collectionRules": [...]}} with 1 to {MAX_RULES} rules is expected')
    return given


def _rule_object(row: Object) -> Object:
    shown = {"@odata.type": f"#AdminService.{row['ruletype']}", "RuleName": row["rulename"]}
    if row["ruletype"] == DIRECT:
        return shown | {"ResourceClassName": "SMS_R_System", "ResourceID": row["resourceid"]}
    return shown | {"QueryExpression": row["queryexpression"]}
