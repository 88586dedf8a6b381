"""A class of the SMS Provider: a table of properties, and how its objects are read and written.

A class that is only read is one row of ``read_only_classes``. A class that is written has a file of
its own, which says what creating, changing and deleting an object means beyond the row itself.
Every write runs inside the caller's transaction and is acknowledged only after its commit.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from emulator.clock import Clock
from emulator.errors import InvalidObject, ObjectNotFound, WrongVerb
from emulator.site_database import provider
from emulator.site_database.condition import EVERYTHING, All, Column, Compare, Condition, Kind
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_server.odata import Query, article

Object = dict[str, Any]
Key = Mapping[str, object]  # property name -> value
Arguments = Mapping[str, object]  # of a method, as they stand in the request's JSON
Method = Callable[[Session, Key, Arguments], Awaitable[Object]]
StaticMethod = Callable[[Session, Arguments], Awaitable[Object]]
READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a class, the column that holds it, and who may set it.

    ``create`` may be given when the object is made, ``write`` also later. Numbers lie between
    0 and ``most``.
    """

    name: str
    column: str = ""
    kind: Kind = "string"
    access: Literal["read", "create", "write"] = "read"
    key: bool = False
    required: bool = False
    most: int = 2**32 - 1

    def check(self, value: object) -> object:
        """The value as the column takes it.

        Raises:
            InvalidObject: it is of another type.
        """
        match self.kind, value:
            case "string", str() if not _unstorable(value):
                if self.required and not value.strip():
                    raise InvalidObject(f"{self.name} must not be empty")
                return value
            case "integer", bool():
                pass
            case "integer", int() if 0 <= value <= self.most:
                return value
            case "boolean", bool():
                return value
            case "datetime", str():
                return _time(self.name, value)
        expected = f"a number from 0 to {self.most}" if self.kind == "integer" else article(self.kind)
        raise InvalidObject(f"{self.name} is {json.dumps(value)[:80]}; {expected} is expected")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a class works: the site and its time."""

    site_code: str
    clock: Clock


class ProviderClass:
    """Reads the objects of one class; a subclass also writes them.

    ``view`` is read where the table alone does not hold every property; ``scope`` is what rows of
    the table must satisfy to be objects of the class. ``lazy`` properties come with single objects only.
    """

    name: str
    table: str
    view: str = ""
    scope: Condition = EVERYTHING
    properties: tuple[Property, ...]
    lazy: tuple[str, ...] = ()

    def __init__(self, place: Place) -> None:
        self.place = place
        self.columns = {p.name: Column(p.column or p.name, p.kind) for p in self.properties}
        self.keys = [p for p in self.properties if p.key]
        self.methods: dict[str, Method] = {}
        self.statics: dict[str, StaticMethod] = {}

    def verbs(self, *, of_object: bool) -> tuple[str, ...]:
        """Which HTTP verbs go with the class, or with one of its objects."""

        def overridden(name: str) -> bool:
            return getattr(type(self), name) is not getattr(ProviderClass, name)

        written = {"PATCH": "change", "DELETE": "delete"} if of_object else {"POST": "create"}
        return (*READING, *(verb for verb, name in written.items() if overridden(name)))

    # -- reading -------------------------------------------------------------------

    async def find(self, db: SiteDatabase | Session, query: Query) -> list[Object]:
        """The objects a query asks for; ordered by key unless it says otherwise."""
        order = [(self.columns[name], descending) for name, descending in query.order_by]
        order += [(self.columns[p.name], False) for p in self.keys]
        listed = {name: column for name, column in self.columns.items() if name not in self.lazy}
        rows = await provider.select(
            db,
            provider.Selection(
                table=self.view or self.table,
                columns={name: self.columns[name] for name in query.select} or listed,
                condition=self._in_scope(query.condition),
                order_by=order,
                limit=query.top,
                offset=query.skip,
            ),
        )
        return [self._object(dict(row)) for row in rows]

    async def count(self, db: SiteDatabase | Session, query: Query) -> int:
        return await provider.count(db, self.view or self.table, self._in_scope(query.condition))

    def _in_scope(self, condition: Condition) -> Condition:
        return condition if self.scope == EVERYTHING else All((self.scope, condition))

    async def get(self, db: SiteDatabase | Session, key: Key) -> Object:
        """One object, its lazy properties included.

        Raises:
            ObjectNotFound: no object has this key.
        """
        everything = tuple(self.columns)
        found = await self.find(db, Query(condition=self._is(key), select=everything))
        if not found:
            raise ObjectNotFound(f"there is no {self.name} with {self.key_text(key)}")
        return found[0]

    def _object(self, row: Object) -> Object:
        return {name: _plain(self.columns[name].kind, value) for name, value in row.items()}

    # -- writing -------------------------------------------------------------------

    async def create(self, session: Session, values: Object) -> Key:
        """Make an object of checked values; returns its key."""
        raise WrongVerb(f"{self.name} can be read, not created", allowed=READING)

    async def change(self, session: Session, key: Key, values: Object) -> None:
        """Change the checked values of an object that exists."""
        raise WrongVerb(f"{self.name} can be read, not changed", allowed=READING)

    async def delete(self, session: Session, key: Key) -> None:
        """Delete an object that exists."""
        raise WrongVerb(f"{self.name} can be read, not deleted", allowed=READING)

    def check(self, body: object, *, creating: bool) -> Object:
        """A request's JSON as property values of the right types.

        Raises:
            InvalidObject: a property is unknown, read-only, missing or of the wrong type.
        """
        if not isinstance(body, dict):
            raise InvalidObject(f"a JSON object with properties of {self.name} is expected")
        allowed = {"create", "write"} if creating else {"write"}
        settable = {p.name.lower(): p for p in self.properties if p.access in allowed}
        values: Object = {}
        for name, value in body.items():
            if name.startswith(("@", "__")):
                continue  # OData annotations
            settable_property = settable.get(name.lower())
            if settable_property is None:
                raise InvalidObject(
                    f"{self.name} has no property {name!r} that can be {'given' if creating else 'changed'}; "
                    f"there are {', '.join(p.name for p in settable.values()) or 'none'}"
                )
            values[settable_property.name] = self.check_value(settable_property, value)
        missing = [p.name for p in settable.values() if creating and p.required and p.name not in values]
        if missing:
            raise InvalidObject(f"{self.name} needs {', '.join(missing)}")
        return values

    def check_value(self, settable_property: Property, value: object) -> object:
        """One value; a class with a property of its own kind overrides it."""
        return settable_property.check(value)

    def by_column(self, values: Mapping[str, object]) -> dict[str, object]:
        """Property values under the names of their columns."""
        return {self.columns[name].name: value for name, value in values.items()}

    # -- keys ----------------------------------------------------------------------

    def key_of(self, given: list[tuple[str | None, object]]) -> Key:
        """A key as it stood in the URL: one value, or ``Name=value`` pairs.

        Raises:
            InvalidObject: it does not fit the class.
        """
        known = {p.name.lower(): p for p in self.keys}
        if len(given) == 1 and given[0][0] is None and len(self.keys) == 1:
            given = [(self.keys[0].name, given[0][1])]
        key: dict[str, object] = {}
        for name, value in given:
            key_property = known.get((name or "").lower())
            if key_property is None:
                break
            if key_property.kind == "integer" and str(value).isdecimal():
                value = int(str(value))
            key[key_property.name] = key_property.check(value)
        if len(key) != len(self.keys) or len(given) != len(self.keys):
            raise InvalidObject(f"the key of {self.name} is {', '.join(p.name for p in self.keys) or 'none'}")
        return key

    def key_text(self, key: Key) -> str:
        return ", ".join(f"{name} {value!r}" for name, value in key.items())

    def annotated(self, found: Object) -> Object:
        """An object with OData's annotations: which one it is, and what a list would not show of it."""
        parts = ",".join(f"{p.name}={_key_literal(found[p.name])}" for p in self.keys)
        return {"@odata.etag": parts, "__LAZYPROPERTIES": list(self.lazy)} | found

    def _is(self, key: Key) -> Condition:
        parts = tuple(Compare(self.columns[name], "=", value) for name, value in key.items())  # type: ignore[arg-type]
        return All(parts)

    async def choices(self, session: Session, condition: Condition = EVERYTHING) -> str:
        """The first few keys there are, for a sentence that names the valid ones."""
        column = self.columns[self.keys[-1].name].name
        return ", ".join(await provider.names(session, self.table, column, condition)) or "none"


def _key_literal(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _plain(kind: Kind, value: object) -> object:
    match kind, value:
        case "datetime", datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case "json", str():
            return json.loads(value)
        case _:
            return value


def _time(name: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        # Times at the calendar's edges cannot be told in every zone: the database holds UTC.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidObject(f"{name} is {text[:80]!r}; a time like 2026-11-23T11:00:00Z is expected") from exc


def _unstorable(text: str) -> bool:
    """Has it something that PostgreSQL or a policy's CDATA cannot hold?"""
    return "]]>" in text or any(
        (c < " " and c not in "\t\r\n") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text
    )
