"""CMPivot queries, as far as this site answers them.

    Entity | where condition | project a, b | distinct a, b | take n | top n by a
           | order by a desc | count | summarize count() by a

    condition: property ==|=~|!=|!~|<|<=|>|>=|[!]contains|[!]startswith|[!]endswith|[!]like constant
               | property in (constants) | isnull(property) | isnotnull(property)
               | not(condition) | condition and|or condition | (condition)

``File('C:\\*')`` takes a path with wildcards. Texts compare without regard to case, ``==`` too. Everything
else is refused by name, joins, other functions and other entities above all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any as Anything

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import Column
from emulator.site_server.cmpivot_condition import Columns, column_of, read_condition
from emulator.site_server.cmpivot_entities import ENTITIES, Entity, Row, known
from emulator.site_server.in_memory_class import holds, ordered

MAX_LENGTH = 8192
MAX_STEPS = 30
Step = Callable[[list[Row]], list[Row]]
_NAMES = re.compile(r"\s*\w+(\s*,\s*\w+)*\s*")


@dataclass(frozen=True, slots=True)
class PivotQuery:
    """An entity, and what is done to its rows one after the other."""

    entity: Entity
    argument: str | None
    steps: tuple[Step, ...]

    def of(self, rows: list[Row]) -> list[Row]:
        """What the query makes of the rows of one device."""
        for step in self.steps:
            rows = step(rows)
        return rows


def read_pivot_query(text: str) -> PivotQuery:
    """Read a query.

    Raises:
        UnsupportedQuery: the sentence says which word is not understood.
    """
    if len(text) > MAX_LENGTH:
        raise UnsupportedQuery(f"CMPivot: the query is longer than {MAX_LENGTH} characters")
    parts = _parts(text)
    if len(parts) > MAX_STEPS:
        raise UnsupportedQuery(f"CMPivot: the query has more than {MAX_STEPS} operators")
    entity, argument = _source(parts[0])
    columns: Columns = dict(entity.columns)
    steps = []
    for part in parts[1:]:
        step, columns = _step(part, columns)
        steps.append(step)
    return PivotQuery(entity, argument, tuple(steps))


def _parts(text: str) -> list[str]:
    """The query, cut at the bars that stand in no quotes."""
    pieces = re.findall(r"'[^']*'|\"[^\"]*\"|[^'\"|]+|.", text, re.DOTALL)
    parts = [""]
    for piece in pieces:
        if piece == "|":
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts]


def _source(text: str) -> tuple[Entity, str | None]:
    found = re.fullmatch(r"(\w+)(?:\s*\(\s*(?:'([^']*)'|\"([^\"]*)\")?\s*\))?", text)
    entity = known(found[1]) if found else None
    if not found or entity is None:
        there = ", ".join(e.name for e in ENTITIES.values())
        raise UnsupportedQuery(f"CMPivot: the entity {text[:80]!r} is not supported; there are {there}")
    argument = found[2] if found[2] is not None else found[3]
    if (argument is not None) != (entity.name == "File"):
        raise UnsupportedQuery("CMPivot: File takes a path in quotes, the other entities take nothing")
    return entity, argument


def _step(text: str, columns: Columns) -> tuple[Step, Columns]:
    word, _, rest = text.partition(" ")
    match word.lower():
        case "where":
            condition = read_condition(rest, columns)
            return lambda rows: [row for row in rows if holds(condition, row)], columns
        case "project" | "distinct":
            chosen = _chosen(rest, columns)
            unique = word.lower() == "distinct"
            return lambda rows: _projected(rows, list(chosen), unique=unique), chosen
        case "take" | "limit":
            number = _number(rest)
            return lambda rows: rows[:number], columns
        case "top":
            found = re.fullmatch(r"\s*(\d+)\s+by\s+(.+)", rest, re.IGNORECASE | re.DOTALL)
            if found:
                number, order = _number(found[1]), _order(found[2], columns)
                return lambda rows: _as_rows(ordered(rows, order))[:number], columns
        case "order" | "sort":
            found = re.fullmatch(r"\s*by\s+(.+)", rest, re.IGNORECASE | re.DOTALL)
            if found:
                order = _order(found[1], columns)
                return lambda rows: _as_rows(ordered(rows, order)), columns
        case "count" if not rest.strip():
            return lambda rows: [{"Count": len(rows)}], {"count": Column("Count", "integer")}
        case "summarize":
            found = re.fullmatch(r"\s*count\(\s*\)\s*(?:by\s+(.+))?", rest, re.IGNORECASE | re.DOTALL)
            if found:
                groups = _chosen(found[1], columns) if found[1] else {}
                counted = {**groups, "count_": Column("count_", "integer")}
                return lambda rows: _counted(rows, list(groups)), counted
    raise UnsupportedQuery(
        f"CMPivot: {text[:80]!r} is not supported; the operators are where, project, distinct, take, top, "
        "order by, count and summarize count()"
    )


def _chosen(text: str, columns: Columns) -> Columns:
    if not _NAMES.fullmatch(text):
        raise UnsupportedQuery(f"CMPivot: {text[:80]!r} is no list of properties")
    chosen = [column_of(name, columns) for name in text.split(",")]
    return {column.name: column for column in chosen}


def _order(text: str, columns: Columns) -> list[tuple[Column, bool]]:
    order = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+)(?:\s+(asc|desc))?\s*", part, re.IGNORECASE)
        if not found:
            raise UnsupportedQuery(f"CMPivot: {part[:80]!r} is no order")
        # Kusto sorts downwards unless told otherwise.
        order.append((column_of(found[1], columns), (found[2] or "desc").lower() == "desc"))
    return order


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*\d{1,9}\s*", text):
        raise UnsupportedQuery(f"CMPivot: {text[:80]!r} is no number of rows")
    return int(text)


def _projected(rows: Sequence[Row], names: list[str], *, unique: bool) -> list[Row]:
    found = [{name: row[name] for name in names} for row in rows]
    return list({tuple(row.values()): row for row in found}.values()) if unique else found


def _counted(rows: Sequence[Row], names: list[str]) -> list[Row]:
    if not names:
        return [{"count_": len(rows)}]
    counts: dict[tuple[Anything, ...], int] = {}
    for row in rows:
        group = tuple(row[name] for name in names)
        counts[group] = counts.get(group, 0) + 1
    return [{**dict(zip(names, group, strict=True)), "count_": number} for group, number in counts.items()]


def _as_rows(rows: Sequence[Anything]) -> list[Row]:
    return [dict(row) for row in rows]
