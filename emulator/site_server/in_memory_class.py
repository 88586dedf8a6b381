"""Classes whose objects no table holds: their rows are made first, and then asked like a table's.

``holds`` answers the same conditions that ``site_database.condition`` turns into SQL, in the same
way: texts without regard to case, and a comparison with nothing is unknown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from emulator.site_database import condition as asked
from emulator.site_database.condition import Column, Condition
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_server.odata import Query
from emulator.site_server.provider_class import Object, ProviderClass

Row = Mapping[str, Any]  # by column name

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(condition: Condition, row: Row) -> bool | None:
    """Whether a row satisfies the condition; None: unknown."""
    match condition:
        case asked.All(operands):
            return _all([holds(one, row) for one in operands])
        case asked.Any(operands):
            return _not(_all([_not(holds(one, row)) for one in operands]))
        case asked.Not(operand):
            return _not(holds(operand, row))
        case asked.Known(operand):
            return bool(holds(operand, row))
        case asked.IsNull(column):
            return row[column.name] is None
        case asked.Matches(column, expression):
            pattern = re.compile(expression, re.IGNORECASE | re.DOTALL)
            return _of_any(column, row, lambda held: pattern.search(held) is not None)
        case asked.Compare(column, sign, value):
            compare, wanted = OPERATORS[sign], _folded(value)
            return _of_any(column, row, lambda held: compare(_folded(held), wanted))


def ordered(rows: Iterable[Row], order_by: Iterable[tuple[Column, bool]]) -> list[Row]:
    """Sorted by columns; nothing comes before everything."""
    result = list(rows)
    for column, descending in reversed(list(order_by)):
        result.sort(
            key=lambda row: (row[column.name] is not None, _folded(row[column.name])), reverse=descending
        )
    return result


def _of_any(column: Column, row: Row, test: Callable[[Any], bool]) -> bool | None:
    held = row[column.name]
    if held is None:
        return None
    return any(test(one) for one in held) if column.kind == "strings" else test(held)


def _all(known: list[bool | None]) -> bool | None:
    if False in known:
        return False
    return None if None in known else True


def _not(known: bool | None) -> bool | None:
    return None if known is None else not known


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class InMemoryClass(ProviderClass):
    """A class that is asked like the others; a subclass makes the rows."""

    table = "-"

    async def rows(self, db: SiteDatabase | Session) -> list[Object]:
        """Every object, its properties under the names of their columns."""
        raise NotImplementedError

    async def find(self, db: SiteDatabase | Session, query: Query) -> list[Object]:
        order = [(self.columns[name], descending) for name, descending in query.order_by]
        order += [(self.columns[p.name], False) for p in self.keys]
        found = ordered([row for row in await self.rows(db) if holds(query.condition, row)], order)
        end = None if query.top is None else query.skip + query.top
        names = query.select or [name for name in self.columns if name not in self.lazy]
        return [{name: row[self.columns[name].name] for name in names} for row in found[query.skip : end]]

    async def count(self, db: SiteDatabase | Session, query: Query) -> int:
        return sum(bool(holds(query.condition, row)) for row in await self.rows(db))
