"""Errors of the control API as problem details (RFC 9457): what was wrong, and what would be valid."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

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
    """The answer to an error of ours, or to a body that a model refuses."""
    if isinstance(error, ValidationError):
        return _of_validation(error)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if isinstance(error, ConfigMgrError) and status == 500:
        status = 422
    return problem(status, str(error))


def _of_validation(error: ValidationError) -> web.Response:
    told: list[str] = []
    valid: list[str] = []
    for each in error.errors():
        place = ".".join(str(part) for part in each["loc"])
        told.append(f"{place}: {each['msg']}" if place else each["msg"])
        context: dict[str, Any] = each.get("ctx", {})
        if "expected" in context:
            valid.append(str(context["expected"]))
    return problem(422, "; ".join(told), valid)


def not_json(error: json.JSONDecodeError | UnicodeDecodeError) -> web.Response:
    """The answer to a body that is none."""
    return problem(400, f"the body is not JSON ({error})")
