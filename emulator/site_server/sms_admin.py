"""SMS_Admin: an administrative user, with roles and scopes.

Those of the topology are there from the start and stay. Who is made one with the role Full
Administrator may use the provider as they do, if it is an account of the site's domain.
"""

from __future__ import annotations

from emulator.errors import InvalidObject, ObjectConflict
from emulator.site_database import provider
from emulator.site_database.condition import Compare
from emulator.site_database.database import Session
from emulator.site_server.administrators import CALLER, FULL_ADMINISTRATOR
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property, ProviderClass

FULL = "SMS0001R"
ROLES = {FULL: FULL_ADMINISTRATOR}  # other roles go by their ids: nothing is allowed to them here
SCOPE, COLLECTION = 29, 1  # CategoryTypeID
SCOPES = {"SMS00ALL": "All", "SMS00UNA": "Default"}
COLLECTIONS = {"SMS00001": "All Systems", "SMS00004": "All Users and User Groups"}
PERMISSIONS = 100  # of one user: a bound for strangers


class SmsAdmin(ProviderClass):
    name = "SMS_Admin"
    table = "RBAC_Admins"
    properties = (
        Property("AdminID", kind="integer", key=True),
        Property("LogonName", access="create", required=True),
        Property("AdminSid", "AdminSID", access="create"),
        Property("DisplayName", access="create"),
        Property("Roles", "RoleIDs", "strings"),
        Property("RoleNames", kind="strings"),
        Property("Categories", "CategoryIDs", "strings"),
        Property("CategoryNames", kind="strings"),
        Property("CollectionNames", kind="strings"),
        Property("SourceSite"),
        Property("CreatedBy"),
        Property("CreatedDate", kind="datetime"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.statics = {"GetAdminExtendedData": self.extended_data}

    async def extended_data(self, session: Session, arguments: Arguments) -> Object:
        """GetAdminExtendedData: what consoles keep of the caller, by type; no console keeps anything here."""
        Property("Type", kind="integer").check(arguments.get("type"))
        return {"ExtendedData": [], "ReturnValue": 0}

    def check(self, body: object, *, creating: bool) -> Object:
        if not isinstance(body, dict):
            return super().check(body, creating=creating)
        given: object = next((value for name, value in body.items() if name.lower() == "permissions"), [])
        rest = {name: value for name, value in body.items() if name.lower() != "permissions"}
        return super().check(rest, creating=creating) | _permissions(given)

    async def create(self, session: Session, values: Object) -> Key:
        logon = str(values["LogonName"])
        if await provider.count(session, self.table, Compare(self.columns["LogonName"], "=", logon)):
            raise ObjectConflict(f"{logon} is an administrative user already")
        row = self.by_column(values) | {
            "SourceSite": self.place.site_code,
            "CreatedBy": CALLER.get(),
            "CreatedDate": self.place.clock.now(),
        }
        row.setdefault("DisplayName", logon)
        await provider.insert(session, self.table, row)
        made = await provider.names(
            session, self.table, "AdminID", Compare(self.columns["LogonName"], "=", logon)
        )
        return {"AdminID": int(made[0])}

    async def delete(self, session: Session, key: Key) -> None:
        if await session.fetchval("SELECT OfTopology FROM RBAC_Admins WHERE AdminID = $1", key["AdminID"]):
            raise ObjectConflict("this administrator stands in the site's topology, and stays")
        await provider.delete(session, self.table, self.by_column(key))


def _permissions(given: object) -> Object:
    """``[{"CategoryID": "SMS00ALL", "CategoryTypeID": 29, "RoleID": "SMS0001R"}, ...]`` as lists of names."""
    if not isinstance(given, list) or len(given) > PERMISSIONS:
        raise InvalidObject(f"Permissions is a list of at most {PERMISSIONS} objects")
    roles: list[str] = []
    scopes: list[str] = []
    collections: list[str] = []
    text = Property("RoleID")
    for one in given:
        if not isinstance(one, dict):
            raise InvalidObject("a permission is an object with CategoryID, CategoryTypeID and RoleID")
        permission = {name.lower(): value for name, value in one.items()}
        roles.append(str(text.check(permission.get("roleid"))).upper())
        category = str(text.check(permission.get("categoryid"))).upper()
        kind = permission.get("categorytypeid")
        if kind not in (SCOPE, COLLECTION):
            raise InvalidObject(f"CategoryTypeID is {SCOPE} (a scope) or {COLLECTION} (a collection)")
        (scopes if kind == SCOPE else collections).append(category)
    return {
        "Roles": list(dict.fromkeys(roles)),
        "RoleNames": [ROLES.get(role, role) for role in dict.fromkeys(roles)],
        "Categories": list(dict.fromkeys(scopes)),
        "CategoryNames": [SCOPES.get(scope, scope) for scope in dict.fromkeys(scopes)],
        "CollectionNames": [COLLECTIONS.get(c, c) for c in dict.fromkeys(collections)],
    }
