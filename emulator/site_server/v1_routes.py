"""``/AdminService/v1.0``: devices and collections, and what they are asked at once.

    GET  Device | Device(<id>) | Device(<id>)/ResourceCollectionMembership[?$expand=Collection]
    GET  Device(<id>)/Events, Device(<id>)/BoundaryGroups[?$expand=BoundaryGroup] | BoundaryGroups
    GET  $metadata
    GET  Collections | Collections('<id>')
    POST <target>/AdminService.RunCMPivot {"InputQuery": "OS | project Caption"}
    POST <target>/AdminService.RunScript {"ScriptGuid": "..."}
    GET  <target>/AdminService.CMPivotResult(OperationId=n), .ScriptResult(OperationId=n)
    GET  Script/<guid>

A result is 404 until a device of the target has sent the report that it is made from. What a device
answered then stays, whatever it reports later. Shapes differ between devices and collections, as seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from emulator.errors import InvalidObject, ObjectNotFound, UnsupportedQuery, WrongVerb
from emulator.site_server.device_operations import DeviceOperations, Target
from emulator.site_server.odata import parse_query
from emulator.site_server.odata_metadata import metadata
from emulator.site_server.provider_address import key_parts
from emulator.site_server.provider_class import READING, Object, Place, Property, ProviderClass
from emulator.site_server.sms_provider import METADATA, SmsProvider, answered, arguments_of, read_json
from emulator.site_server.sms_scripts import decoded

V1 = "AdminService/v1.0"
NAMES = {
    "SMS_Collection": "Collections",
    "SMS_Scripts": "Script",
}  # of entity sets, where the class has another
CLIENT_ID = 408  # SMS_StatMsgAttributes.AttributeID
EVENTS = 100  # of a device that are told
ADDRESS = re.compile(
    r"(?P<noun>Device|Collections?|Script|BoundaryGroups)(?:\((?P<key>[^()]*)\)|/(?P<plain>(?!AdminService\.)[^/]+))?"
    r"(?:/(?P<rest>AdminService\.\w+|ResourceCollectionMembership|Events|BoundaryGroups)(?:\(OperationId=(?P<operation>\d{1,9})\))?)?/?",
    re.IGNORECASE,
)


class Device(ProviderClass):
    """A device, under the names of the v1.0 route."""

    name = "Device"
    table = "System_DISC"
    properties = (
        Property("MachineId", "ItemKey", "integer", key=True),
        Property("Name", "Name0"),
        Property("SMSID", "SMS_Unique_Identifier0"),
        Property("Domain", "Resource_Domain_OR_Workgr0"),
        Property("IsClient", "Client0", "integer"),
        Property("ClientType", "Client_Type0", "integer"),
        Property("ClientVersion", "Client_Version0"),
        Property("IsActive", "Active0", "integer"),
        Property("IsObsolete", "Obsolete0", "integer"),
        Property("ADSiteName", "AD_Site_Name0"),
        Property("UserName", "User_Name0"),
        Property("UserDomainName", "User_Domain0"),
        Property("DeviceOS", "Operating_System_Name_and0"),
    )


class V1Routes:
    """Answers administrators about devices."""

    def __init__(self, provider: SmsProvider, place: Place) -> None:
        self._provider = provider
        self._database = provider.database
        self._devices = Device(place)
        self._operations = DeviceOperations(provider.database, place)

    async def answer(self, request: web.Request, text: str) -> web.Response:
        """Find the target and do what the path says.

        Raises:
            ConfigMgrError: as ``refusal`` tells it to the administrator.
        """
        if text.lower() == METADATA and request.method in READING:
            collections = await self._provider.class_of("SMS_Collection")
            scripts = await self._provider.class_of("SMS_Scripts")
            return metadata((self._devices, collections, scripts), NAMES)
        found = ADDRESS.fullmatch(text)
        if not found:
            raise ObjectNotFound(
                f"there is nothing at {text[:200]!r}; there are Device, Collections and Script"
            )
        noun, rest = found["noun"].lower(), (found["rest"] or "").lower()
        key = found["plain"] or _single(found["key"])
        if rest.startswith("adminservice."):
            if key is None or noun == "script":
                raise ObjectNotFound(f"{found['rest']} is a method of one device or one collection")
            target = await self._target(noun, key)
            return await self._method(request, target, rest.partition(".")[2], found["operation"])
        if request.method not in READING:
            raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=READING)
        if noun == "boundarygroups":
            return self._no_boundary_groups(request)
        if rest:
            target = await self._target(noun, key or "")
            if target.resource_id is None:
                raise ObjectNotFound(f"{found['rest']} belongs to a device")
            if rest == "events":
                return await self._events(request, target.resource_id)
            if rest == "boundarygroups":
                return self._no_boundary_groups(request)
            return await self._memberships(request, target)
        if noun == "script":
            return await self._script(request, key)
        return await self._read(request, noun, key)

    # -- reading -------------------------------------------------------------------

    async def _read(self, request: web.Request, noun: str, key: str | None) -> web.Response:
        of_class = self._devices if noun == "device" else await self._provider.class_of("SMS_Collection")
        if key is None:
            found = await of_class.find(self._database, parse_query(request.query, of_class.columns))
            return answered(_context(request, noun) | {"value": found})
        one = await of_class.get(self._database, of_class.key_of([(None, key)]))
        return answered(_context(request, noun) | one)

    async def _memberships(self, request: web.Request, target: Target) -> web.Response:
        expand, select = request.query.get("$expand", ""), request.query.get("$select", "")
        if expand not in ("", "Collection") or set(request.query) - {"$expand", "$select"}:
            raise UnsupportedQuery("$expand=Collection and $select=Collection are supported here")
        memberships = await self._provider.class_of("SMS_FullCollectionMembership")
        collections = await self._provider.class_of("SMS_Collection")
        query = parse_query({"$filter": f"ResourceID eq {target.resource_id}"}, memberships.columns)
        value: list[Object] = []
        for one in await memberships.find(self._database, query):
            shown = {name: one[name] for name in ("CollectionID", "ResourceID", "Name", "IsDirect")}
            if expand:
                key = {"CollectionID": one["CollectionID"]}
                shown["Collection"] = await collections.get(self._database, key)
            value.append({"Collection": shown["Collection"]} if expand and select else shown)
        return answered(_context(request, "ResourceCollectionMembership") | {"value": value})

    async def _events(self, request: web.Request, resource_id: int) -> web.Response:
        """What its status messages tell of a device, the newest first (the shape is chosen by us)."""
        messages = await self._provider.class_of("SMS_StatusMessage")
        attributes = await self._provider.class_of("SMS_StatMsgAttributes")
        device = await self._devices.get(self._database, {"MachineId": resource_id})
        about = f"AttributeID eq {CLIENT_ID} and AttributeValue eq '{device['SMSID']}'"
        newest = {"$filter": about, "$orderby": "RecordID desc", "$top": str(EVENTS)}
        named = await attributes.find(self._database, parse_query(newest, attributes.columns))
        records = [one["RecordID"] for one in named]
        value = [await messages.get(self._database, {"RecordID": record}) for record in records]
        return answered(_context(request, "Events") | {"value": value})

    def _no_boundary_groups(self, request: web.Request) -> web.Response:
        """Boundaries of 2007 belong to no groups: there are none, and no device is in one."""
        if request.query.get("$expand", "BoundaryGroup") != "BoundaryGroup":
            raise UnsupportedQuery("$expand=BoundaryGroup is supported here")
        return answered(_context(request, "BoundaryGroups") | {"value": []})

    async def _script(self, request: web.Request, key: str | None) -> web.Response:
        if key is None:
            raise ObjectNotFound("Script/<guid> names one script")
        scripts = await self._provider.class_of("SMS_Scripts")
        found = await scripts.get(self._database, scripts.key_of([(None, key)]))
        content = decoded(found.pop("Script"))
        return answered(_context(request, "Script") | found | {"ScriptContent": content})

    # -- methods -------------------------------------------------------------------

    async def _target(self, noun: str, key: str) -> Target:
        """The device or the collection; which must exist."""
        if noun == "device":
            device = await self._devices.get(self._database, self._devices.key_of([(None, key)]))
            return Target(resource_id=device["MachineId"])
        collections = await self._provider.class_of("SMS_Collection")
        collection = await collections.get(self._database, collections.key_of([(None, key)]))
        return Target(collection_id=collection["CollectionID"])

    async def _method(
        self, request: web.Request, target: Target, name: str, operation: str | None
    ) -> web.Response:
        match name, request.method:
            case "runcmpivot", "POST":
                query = arguments_of(await read_json(request)).get("inputquery")
                if not isinstance(query, str):
                    raise InvalidObject('{"InputQuery": "OS"} is expected')
                async with self._provider.write() as session:
                    started = {"OperationId": await self._operations.run_cmpivot(session, target, query)}
                context = _context(request, "AdminService.RunCMPivotResult")
                return answered(context | ({"value": started} if target.resource_id else started))
            case "runscript", "POST":
                guid = arguments_of(await read_json(request)).get("scriptguid")
                scripts = await self._provider.class_of("SMS_Scripts")
                async with self._provider.write() as session:
                    script = await scripts.get(session, scripts.key_of([(None, str(guid))]))
                    number = await self._operations.run_script(session, target, script)
                return answered(_context(request, "Edm.Int32") | {"value": number})
            case (("cmpivotresult" | "scriptresult"), ("GET" | "HEAD")):
                if operation is None:
                    raise InvalidObject(f"{name}(OperationId=n) is expected")
                reading = (
                    self._operations.cmpivot_result if name[0] == "c" else self._operations.script_result
                )
                return answered(_context(request, name) | {"value": await reading(target, int(operation))})
        verbs: dict[str, Sequence[str]] = {"runcmpivot": ("POST",), "runscript": ("POST",)}
        verbs |= {"cmpivotresult": READING, "scriptresult": READING}
        if name not in verbs:
            raise ObjectNotFound(f"there is no method {name}; there are {', '.join(verbs)}")
        raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=tuple(verbs[name]))


def _single(key: str | None) -> str | None:
    if key is None:
        return None
    parts = key_parts(key)
    if len(parts) != 1:
        raise InvalidObject(f"one key is expected, not ({key[:80]})")
    return str(parts[0][1])


def _context(request: web.Request, noun: str) -> Object:
    return {"@odata.context": f"{request.url.origin()}/{V1}/$metadata#{noun}"}
