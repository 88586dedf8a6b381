"""Conditions on rows in memory say what the database says of the same rows."""

from __future__ import annotations

import json

from emulator.site_database.condition import Column, Kind, to_sql
from emulator.site_database.database import SiteDatabase
from emulator.site_server.in_memory_class import holds
from emulator.site_server.odata import parse_query

KINDS: dict[str, Kind] = {"text": "string", "number": "integer", "truth": "boolean", "list": "strings"}
COLUMNS = {name: Column(f"{name}_", kind) for name, kind in KINDS.items()}
ROWS: list[dict[str, object]] = [
    {"text_": "Alpha", "number_": 1, "truth_": True, "list_": ["a", "B"]},
    {"text_": "beta.x", "number_": -5, "truth_": False, "list_": []},
    {"text_": None, "number_": None, "truth_": None, "list_": ["b"]},
    {"text_": "", "number_": 0, "truth_": True, "list_": ["%"]},
]
FILTERS = [
    "text eq 'ALPHA'",
    "text ne 'alpha'",
    "text gt 'b'",
    "not (text gt 'b')",
    "text eq null",
    "text ne null",
    "number ge 0",
    "not (number lt 1)",
    "number lt 1 or truth eq true",
    "number lt 1 and text ne 'x'",
    "startswith(text,'al')",
    "endswith(text,'.X') eq false",
    "contains(text,'.')",
    "truth",
    "list/any(x: x eq 'b')",
    "not (list/any(x: x eq 'b'))",
    "text in ('alpha','')",
]


async def test_the_database_agrees(site_database: SiteDatabase) -> None:
    await site_database.execute(
        "CREATE TABLE made (number integer, text_ text, number_ integer, truth_ boolean, list_ text[])"
    )
    await site_database.execute(
        "INSERT INTO made SELECT (row.value ->> 'n')::integer, row.value ->> 'text_',"
        " (row.value ->> 'number_')::integer, (row.value ->> 'truth_')::boolean,"
        " ARRAY(SELECT jsonb_array_elements_text(row.value -> 'list_'))"
        " FROM jsonb_array_elements($1::text::jsonb) AS row",
        json.dumps([row | {"n": number} for number, row in enumerate(ROWS)]),
    )
    for text in FILTERS:
        condition = parse_query({"$filter": text}, COLUMNS).condition
        parameters: list[object] = []
        sql = to_sql(condition, parameters)
        rows = await site_database.fetch(f"SELECT number FROM made WHERE {sql} ORDER BY number", *parameters)
        expected = [row["number"] for row in rows]
        assert [n for n, row in enumerate(ROWS) if holds(condition, row)] == expected, text
