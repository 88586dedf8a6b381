"""What a caller of Toxiproxy's API sends, as pydantic models, and how a wrong one is told.

Toxiproxy passes over names that it does not know; here they are refused, as everywhere in this site, so that
a misspelt one is no silent change of what is asked for.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from emulator.errors import ConfigMgrError

LONGEST = 80  # characters of a wrong value that are repeated to the caller

Sent = TypeVar("Sent")


class BadBody(ConfigMgrError):
    """The body is none that this address takes."""


class Body(BaseModel):
    """Something that a caller sends. Strict: "false" is no boolean, and true is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ProxyBody(Body):
    """A proxy as its owner wants it; what is left out stays as it is."""

    name: str | None = None
    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None
    # Passed over: a client library that saves a proxy sends all that it was told of it.
    toxics: list[Any] | None = None


class NamedProxy(ProxyBody):
    """One of those that are to be there."""

    name: str


def read_body(kind: type[Sent], body: bytes) -> Sent:
    """The model, or list of models, that a body of JSON is.

    Raises:
        BadBody: it is none; what is wrong in it, with the valid names where a name is.
    """
    try:
        return TypeAdapter(kind).validate_json(body)
    except ValidationError as exc:
        raise BadBody(_told(exc, fields_of(kind))) from exc


def read_attributes(kind: type[Sent], attributes: dict[str, Any]) -> Sent:
    """A toxic's attributes; raises as ``read_body``."""
    try:
        return TypeAdapter(kind).validate_python(attributes)
    except ValidationError as exc:
        raise BadBody(_told(exc, fields_of(kind), "attributes")) from exc


def fields_of(kind: Any) -> list[str]:
    """The names that a model, or each of a list of models, knows."""
    (model,) = getattr(kind, "__args__", (kind,))
    return list(model.model_fields)


def _told(error: ValidationError, valid: list[str], within: str = "") -> str:
    """Pydantic's first complaint; a misspelt name comes first, since it explains a missing one."""
    found = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in (within, *found["loc"]) if part != "")
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return f"the body is not JSON ({message.removeprefix('Invalid JSON: ')})"
    if found["type"] == "extra_forbidden":
        return f"{place}: unknown; valid: {', '.join(valid)}"
    if found["type"] == "missing":
        return f"{place}: missing"
    if found["type"] == "value_error":
        return f"{place}: {message}"
    value = json.dumps(found["input"])
    shown = value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
    return f"{place or 'the body'}: {message[:1].lower()}{message[1:]}, not {shown}"
