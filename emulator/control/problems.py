"""Errors of the control API as problem details (RFC 9457): what was wrong, and what would be valid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from emulator.choices import choices
from emulator.control.journal import NotInJournal, UnknownField
from emulator.errors import (
    CannotStart,
    ClockRefused,
    ConfigMgrError,
    FaultRefused,
    ManagementPointUnavailable,
    NotAuthorized,
    ObjectConflict,
    ObjectNotFound,
    SiteDatabaseUnavailable,
    TopologyError,
)
from emulator.snapshots import InvalidSnapshot

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CONTENT_TYPE = "application/problem+json"

# First match wins.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotAuthorized, 401),
    (ObjectNotFound, 404),
    (TopologyError, 404),  # nothing in the site is called so
    (ObjectConflict, 409),
    (InvalidSnapshot, 422),
    (UnknownField, 422),
    (FaultRefused, 422),
    (ClockRefused, 422),
    (NotInJournal, 417),
    (SiteDatabaseUnavailable, 503),
    (ManagementPointUnavailable, 503),
    (CannotStart, 503),
)


class Problem(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    valid: list[str] = Field(default=[], description="what would have been accepted there")


def problem(status: int, detail: str, valid: Iterable[str] = ()) -> web.Response:
    """The answer that tells of it."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, valid=list(valid))
    return web.Response(status=status, text=told.model_dump_json(), content_type=CONTENT_TYPE)


def of_error(error: Exception) -> web.Response:
    """The answer to an error of ours; what it, or the one it was made of, calls valid goes with it."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if isinstance(error, ConfigMgrError) and status == 500:
        status = 422
    return problem(status, str(error), _valid(error))


def _valid(error: BaseException | None) -> Iterable[str]:
    while error is not None:
        if found := getattr(error, "valid", ()):
            return cast("Sequence[str]", found)
        error = error.__cause__
    return ()


def of_validation(error: ValidationError, model: type[BaseModel]) -> web.Response:
    """The answer to what a model refuses: 400 for a body that is no JSON, else 422 with what it takes."""
    told: list[str] = []
    valid: list[str] = []
    for each in error.errors():
        if each["type"] == "json_invalid":
            return problem(400, f"the body is not JSON ({each['ctx']['error']})")
        place = ".".join(str(part) for part in each["loc"])
        message, accepted = _complaint(each, model)
        told.append(f"{place}: {message}" if place else message)
        valid += [name for name in accepted if name not in valid]
    return problem(422, "; ".join(told), valid)


def _complaint(each: ErrorDetails, model: type[BaseModel]) -> tuple[str, Sequence[str]]:
    """What is wrong there, and what would have been accepted, if that can be listed."""
    if each["type"] == "extra_forbidden":
        names = list(model.model_fields)
        return f"unknown; valid: {', '.join(names)}", names
    field = model.model_fields.get(str(each["loc"][0])) if each["loc"] else None
    return each["msg"], choices(field.annotation) if field else ()
