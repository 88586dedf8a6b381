"""SMS_Application: an application, as its SDM package describes it.

The description is read for what its objects show; clients of 2007 know no applications, so none
is ever installed. An application is deleted after it was retired and its deployments are gone.
"""

from __future__ import annotations

from lxml import etree

from emulator.errors import InvalidObject, MalformedMessage, ObjectConflict
from emulator.protocol.xml import parse_xml
from emulator.site_database import provider
from emulator.site_database.condition import Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.administrators import CALLER
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property, ProviderClass

DIGEST = "{http://schemas.microsoft.com/SystemCenterConfigurationManager/2009/AppMgmtDigest}"
SYSTEM, USER = 0, 1  # ExecutionContext


class SmsApplication(ProviderClass):
    name = "SMS_Application"
    table = "CI_ConfigurationItems"
    view = "v_Applications"
    lazy = ("SDMPackageXML",)
    properties = (
        Property("CI_ID", kind="integer", key=True),
        Property("CI_UniqueID"),
        Property("ModelName"),
        Property("LocalizedDisplayName"),
        Property("SDMPackageXML", "SDMPackageDigest", access="create", required=True),
        Property("ExecutionContext", kind="integer"),
        Property("IsEnabled", kind="boolean"),
        Property("IsExpired", kind="boolean"),
        Property("IsHidden", kind="boolean", access="create"),
        Property("IsDeployed", kind="boolean"),
        Property("NumberOfDevicesWithApp", kind="integer"),
        Property("NumberOfUsersWithApp", kind="integer"),
        Property("SourceSite"),
        Property("CreatedBy"),
        Property("DateCreated", kind="datetime"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.methods = {"SetIsExpired": self.set_expired}

    async def create(self, session: Session, values: Object) -> Key:
        row = self.by_column(values) | _described(str(values["SDMPackageXML"]))
        same = Compare(Column("CI_UniqueID"), "=", str(row["CI_UniqueID"]))
        if await provider.count(session, self.table, same):
            raise ObjectConflict(f"the application {row['CI_UniqueID']} exists already")
        await provider.insert(
            session,
            self.table,
            row
            | {
                "SourceSite": self.place.site_code,
                "CreatedBy": CALLER.get(),
                "DateCreated": self.place.clock.now(),
            },
        )
        return {"CI_ID": int((await provider.names(session, self.table, "CI_ID", same))[0])}

    async def set_expired(self, session: Session, key: Key, arguments: Arguments) -> Object:
        """SetIsExpired: retire the application, or bring it back."""
        expired = Property("Expired", kind="boolean").check(arguments.get("expired"))
        await provider.update(session, self.table, self.by_column(key), {"IsExpired": expired})
        return {"ReturnValue": 0}

    async def delete(self, session: Session, key: Key) -> None:
        application = await self.get(session, key)
        if application["IsDeployed"]:
            raise ObjectConflict(f"application {key['CI_ID']} is deployed")
        if not application["IsExpired"]:
            raise ObjectConflict(f"application {key['CI_ID']} is not retired; SetIsExpired does that")
        await provider.delete(session, self.table, self.by_column(key))


def _described(digest: str) -> Object:
    """What an SDM package says of its application, by column."""
    try:
        root = parse_xml(digest)
    except MalformedMessage as exc:
        raise InvalidObject(f"SDMPackageXML: {exc}") from exc
    application = root.find(f"{DIGEST}Application")
    if root.tag != f"{DIGEST}AppMgmtDigest" or application is None:
        raise InvalidObject("SDMPackageXML is an AppMgmtDigest with one Application")
    scope, model = application.get("AuthoringScopeId", ""), application.get("LogicalName", "")
    if not scope or not model:
        raise InvalidObject("SDMPackageXML: Application needs AuthoringScopeId and LogicalName")
    context = _text(root, f".//{DIGEST}Installer/{DIGEST}ExecutionContext")
    return {
        "CI_UniqueID": f"{scope}/{model}/{application.get('Version', '1')}",
        "ModelName": f"{scope}/{model}",
        "LocalizedDisplayName": _text(application, f"{DIGEST}DisplayInfo/{DIGEST}Info/{DIGEST}Title")
        or _text(application, f"{DIGEST}Title")
        or model,
        "ExecutionContext": USER if context.lower() == "user" else SYSTEM,
    }


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
