"""SMS Provider: administration over REST, in the shape of the AdminService.

    GET    /AdminService/wmi/                                200 with the names of the classes
    GET    /AdminService/wmi/$metadata                       the classes as OData describes them, XML
    GET    /AdminService/wmi/<Class>?$filter=...             a list
    GET    /AdminService/wmi/<Class>('<key>')                a list of one object, lazy properties included
    POST   /AdminService/wmi/<Class>                         201 with the new object
    PATCH  /AdminService/wmi/<Class>('<key>')                200 with the changed object
    DELETE /AdminService/wmi/<Class>('<key>')                204
    POST   /AdminService/wmi/<Class>('<key>')/AdminService.<Method>   201, a method of the object
    GET, POST /AdminService/wmi/<Class>.<Method>             201, a method of the class

A write is one transaction, and is acknowledged only after its commit. The AdminService came with later
releases; in 2007 the same classes were reached through WMI. ``/AdminService/v1.0`` is ``v1_routes.py``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import unquote

from aiohttp import hdrs, web

from emulator.errors import (
    ConfigMgrError,
    InvalidObject,
    MalformedMessage,
    MessageTooLarge,
    ObjectConflict,
    ObjectNotFound,
    WrongVerb,
)
from emulator.message_journal import tell
from emulator.site_database.database import ForeignKeyViolation, Session, SiteDatabase, UniqueViolation
from emulator.site_server.administrators import CALLER, Administrators, Door
from emulator.site_server.odata import parse_query
from emulator.site_server.odata_metadata import metadata
from emulator.site_server.provider_address import Address
from emulator.site_server.provider_class import READING, Arguments, Key, Object, ProviderClass

WMI = "AdminService/wmi"
METADATA = "$metadata"
METHOD_VERBS = (*READING, "POST")

M = TypeVar("M")
Answer = Callable[[web.Request, str], Awaitable[web.Response]]  # the rest of the path, decoded


class SmsProvider:
    """Answers administrators about the classes of the site."""

    def __init__(self, database: SiteDatabase, administrators: Administrators) -> None:
        self.database = database
        self.administrators = administrators
        self.classes: dict[str, ProviderClass] = {}
        self.families: list[Callable[[str], Awaitable[ProviderClass | None]]] = []

    def add(self, classes: Iterable[ProviderClass]) -> None:
        """Make classes known; a later one replaces one of the same name."""
        self.classes.update({c.name.lower(): c for c in classes})

    def routes(self, app: web.Application, role: Door) -> None:
        """Add the routes; paths are read without regard to case, as from release 2006 on."""
        self.route(app, role, WMI, self.answer)

    def route(self, app: web.Application, role: Door, prefix: str, answer: Answer) -> None:
        """Answer under a prefix, to administrators only."""

        async def handle(request: web.Request) -> web.Response:
            tell(kind="administration")
            try:
                CALLER.set(await self.administrators.admit(request, role))
                # The raw path: a slash inside a key was escaped, and stays one character of it.
                return await answer(request, unquote(request.rel_url.raw_path[len(prefix) + 1 :].lstrip("/")))
            except web.HTTPUnauthorized as exc:
                return unauthorized(exc)
            except web.HTTPRequestEntityTooLarge as exc:
                raise MessageTooLarge("the body is larger than this site accepts") from exc

        escaped = prefix.replace(".", r"\.")
        app.router.add_route("*", f"/{{service:(?i:{escaped})}}{{address:(/.*)?}}", handle)

    # -- one request ---------------------------------------------------------------

    async def answer(self, request: web.Request, text: str) -> web.Response:
        """Find the class and do what the verb says.

        Raises:
            ConfigMgrError: as ``refusal`` tells it to the administrator.
        """
        if not text:
            return self._service_document(request)
        if text.lower() == METADATA:
            return self._metadata(request)
        address = Address.parse(text)
        of_class = await self.class_of(address.name)
        key = None if address.key is None else of_class.key_of(address.key)
        if address.method is not None and key is None:
            return await self._call_static(request, of_class, address.method)
        match request.method, key, address.method:
            case (("GET" | "HEAD"), None, None):
                return await self._list(request, of_class)
            case (("GET" | "HEAD"), _, None) if key is not None:
                return await self._one(request, of_class, key)
            case "POST", None, None:
                return await self._create(request, of_class, await read_json(request))
            case "POST", _, str() as method if key is not None:
                return await self._call(of_class, key, method, await read_json(request))
            case "PATCH", _, None if key is not None:
                return await self._change(request, of_class, key, await read_json(request))
            case "DELETE", _, None if key is not None:
                return await self._delete(of_class, key)
        allowed = ("POST",) if address.method else of_class.verbs(of_object=key is not None)
        raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=allowed)

    async def class_of(self, name: str) -> ProviderClass:
        """The class of this name.

        Raises:
            ObjectNotFound: there is none.
        """
        of_class = self.classes.get(name.lower())
        if of_class is not None:
            return of_class
        for family in self.families:
            member = await family(name)
            if member is not None:
                return member
        there = ", ".join(c.name for c in self.classes.values())
        raise ObjectNotFound(f"there is no class {name}; there are {there}")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """One transaction. Classes check first; what two administrators do at once, constraints catch."""
        try:
            async with self.database.transaction() as session:
                yield session
        except (UniqueViolation, ForeignKeyViolation) as exc:
            raise ObjectConflict(f"another change came in between ({exc})") from exc

    def _service_document(self, request: web.Request) -> web.Response:
        if request.method not in READING:
            raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=READING)
        sets = [{"name": c.name, "kind": "EntitySet", "url": c.name} for c in self.classes.values()]
        return answered({"@odata.context": f"{request.url.origin()}/{WMI}/$metadata", "value": sets})

    def _metadata(self, request: web.Request) -> web.Response:
        if request.method not in READING:
            raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=READING)
        return metadata(self.classes.values())

    async def _list(self, request: web.Request, of_class: ProviderClass) -> web.Response:
        query = parse_query(request.query, of_class.columns)
        result = _context(request, of_class)
        if query.count:
            result["@odata.count"] = await of_class.count(self.database, query)
        found = await of_class.find(self.database, query)
        if not query.select:
            found = [of_class.annotated(one) for one in found]
        return answered(result | {"value": found})

    async def _one(self, request: web.Request, of_class: ProviderClass, key: Key) -> web.Response:
        found = await of_class.get(self.database, key)
        select = parse_query(request.query, of_class.columns).select
        shown = {name: found[name] for name in select} if select else of_class.annotated(found)
        return answered(_context(request, of_class) | {"value": [shown]})

    async def _create(self, request: web.Request, of_class: ProviderClass, body: object) -> web.Response:
        if "POST" not in (verbs := of_class.verbs(of_object=False)):
            raise WrongVerb(f"{of_class.name} can be read, not created", allowed=verbs)
        values = of_class.check(body, creating=True)
        async with self.write() as session:
            key = await of_class.create(session, values)
            made = await of_class.get(session, key)
        return answered(_context(request, of_class) | of_class.annotated(made), status=201)

    async def _change(
        self, request: web.Request, of_class: ProviderClass, key: Key, body: object
    ) -> web.Response:
        if "PATCH" not in (verbs := of_class.verbs(of_object=True)):
            raise WrongVerb(f"{of_class.name} can be read, not changed", allowed=verbs)
        values = of_class.check(body, creating=False)
        async with self.write() as session:
            exact = _exact(of_class, await of_class.get(session, key))
            await of_class.change(session, exact, values)
            changed = await of_class.get(session, exact)
        return answered(_context(request, of_class) | of_class.annotated(changed))

    async def _delete(self, of_class: ProviderClass, key: Key) -> web.Response:
        async with self.write() as session:
            exact = _exact(of_class, await of_class.get(session, key))
            await of_class.delete(session, exact)
        return web.Response(status=204)

    async def _call(self, of_class: ProviderClass, key: Key, name: str, body: object) -> web.Response:
        method = _method(of_class, name, of_class.methods)
        async with self.write() as session:
            exact = _exact(of_class, await of_class.get(session, key))
            result = await method(session, exact, arguments_of(body))
        return answered(result, status=201)

    async def _call_static(self, request: web.Request, of_class: ProviderClass, name: str) -> web.Response:
        method = _method(of_class, name, of_class.statics)
        if request.method not in METHOD_VERBS:
            raise WrongVerb(f"{request.method} does not go with {request.path}", allowed=METHOD_VERBS)
        arguments = arguments_of(await read_json(request))
        async with self.write() as session:
            result = await method(session, arguments)
        return answered(result, status=201)  # what clients have seen, for a GET too


def _method(of_class: ProviderClass, name: str, methods: Mapping[str, M]) -> M:
    for known, method in methods.items():
        if known.lower() == name.lower():
            return method
    there = ", ".join((*of_class.methods, *of_class.statics)) or "none"
    raise ObjectNotFound(f"{of_class.name} has no such method {name}; there are {there}")


def _exact(of_class: ProviderClass, found: Object) -> Key:
    """The key as the site database writes it: requests may differ in case."""
    return {p.name: found[p.name] for p in of_class.keys}


def _context(request: web.Request, of_class: ProviderClass) -> Object:
    return {"@odata.context": f"{request.url.origin()}/{WMI}/$metadata#{of_class.name}"}


# -- JSON in and out -------------------------------------------------------------------


async def read_json(request: web.Request) -> object:
    """The body; none is an empty object.

    Raises:
        MalformedMessage: it is not JSON.
    """
    raw = await request.read()
    tell(body=raw)
    try:
        return json.loads(raw or b"{}")
    except (ValueError, RecursionError) as exc:
        raise MalformedMessage(f"the body is not JSON: {exc}", raw=raw) from exc


def arguments_of(body: object) -> Arguments:
    """A method's arguments, their names in lower case.

    Raises:
        InvalidObject: the body is no JSON object.
    """
    if body is None:  # some clients send the JSON of nothing
        return {}
    if not isinstance(body, dict):
        raise InvalidObject("a JSON object with the method's arguments is expected")
    return {name.lower(): value for name, value in body.items()}


def answered(content: Mapping[str, object], status: int = 200) -> web.Response:
    """An answer as JSON."""
    return web.json_response(content, status=status)


def refusal(status: int, error: ConfigMgrError) -> web.Response:
    """An error as OData tells it."""
    answer = answered({"error": {"code": type(error).__name__, "message": str(error)}}, status=status)
    if isinstance(error, WrongVerb):
        answer.headers[hdrs.ALLOW] = ", ".join(error.allowed)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers[hdrs.WWW_AUTHENTICATE] = "NTLM"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        answer.force_close()  # the rest is not read: the reply says that it is the last one here
    return answer


def unauthorized(told: web.HTTPUnauthorized) -> web.Response:
    """A step of the handshake, its reason as OData tells it."""
    message = "credentials of an administrator are needed"
    answer = answered({"error": {"code": "NotAuthorized", "message": message}}, status=401)
    answer.headers[hdrs.WWW_AUTHENTICATE] = told.headers[hdrs.WWW_AUTHENTICATE]
    return answer
