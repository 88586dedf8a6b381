"""The OpenAPI 3.1 document of the control API, made from its routes and their models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from emulator.control.problems import CONTENT_TYPE, Problem

_PARAMETER = re.compile(r"{(\w+)}")
_REFERENCE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked: where, what for, and with which models."""

    method: str
    path: str
    name: str  # of the method of Control that answers
    summary: str
    answer: type[BaseModel] | str  # a model, or the media type of something else
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    problems: tuple[int, ...] = ()  # beside those that every route may have
    open: bool = False  # answered without a token
    waits: bool = False  # for something to come, or its turn: given up then when whoever asked has gone


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    models = {m for r in routes for m in (r.answer, r.body) if isinstance(m, type)} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(m, "validation") for m in ordered], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cmemu control API",
            "version": version,
            "description": "Break, heal, watch and rewind a Configuration Manager 2007 site.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": _responses(route),
    }
    parameters = [*_path_parameters(route.path), *_query_parameters(route.query)]
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        schema = {"$ref": _REFERENCE.format(model=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if not route.open:
        operation["security"] = [{}, {"token": []}]  # none is asked for on loopback
    return operation


def _responses(route: Route) -> dict[str, Any]:
    if isinstance(route.answer, str):
        form = "object" if route.answer == "application/json" else "string"
        content: dict[str, Any] = {route.answer: {"schema": {"type": form}}}
    else:
        content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=route.answer.__name__)}}}
    responses: dict[str, Any] = {str(route.status): {"description": route.summary, "content": content}}
    for status in sorted({*route.problems, *_usual(route)}):
        schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
        told: dict[str, Any] = {
            "description": "problem details",
            "content": {CONTENT_TYPE: {"schema": schema}},
        }
        if str(status) == "503" and route.open:  # the health itself says how far it is
            told["content"]["application/json"] = content["application/json"]
        responses[str(status)] = told
    return responses


def _usual(route: Route) -> Iterable[int]:
    """Problems that any route of its form may have; 500 is a bug, and told like any other."""
    yield 500
    if not route.open:
        yield 401
    if route.body:
        yield from (400, 413, 415, 422)
    if route.query:
        yield 422
    if _PARAMETER.search(route.path):
        yield 404


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(field),
            **({"description": field["description"]} if "description" in field else {}),
        }
        for name, field in schema["properties"].items()
    ]


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A query cannot hold null: what may be left out is left out."""
    kept = {key: value for key, value in field.items() if key not in ("title", "description", "default")}
    choices = [each for each in kept.pop("anyOf", []) if each != {"type": "null"}]
    return {**kept, **choices[0]} if choices else kept
