"""Conditions over the rows of a table, as a small tree that becomes SQL with parameters.

OData's ``$filter`` and WQL's ``where`` are two spellings of the same questions; both parsers make
these nodes, and only this module knows how PostgreSQL asks them. Values travel as
parameters; column names come from the provider's class tables, never from a request.

Text compares without regard to case, as the product's databases do. A NULL makes a
comparison unknown, as in SQL and WQL; ``Known`` makes unknown false, as OData wants it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["string", "integer", "boolean", "datetime", "strings", "json"]
Operator = Literal["=", "<>", "<", "<=", ">", ">="]
Value = str | int | float | bool | datetime

CASTS: dict[Kind, str] = {
    "string": "text",
    "strings": "text",
    "integer": "numeric",
    "boolean": "boolean",
    "datetime": "timestamptz",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table and what it holds."""

    name: str
    kind: Kind = "string"


@dataclass(frozen=True, slots=True)
class Compare:
    """``column operator value``; of a list column any element may satisfy it."""

    column: Column
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Matches:
    """The text matches a regular expression made of ``pattern`` parts; case does not matter."""

    column: Column
    expression: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """The column holds nothing."""

    column: Column


@dataclass(frozen=True, slots=True)
class Not:
    """Unknown stays unknown."""

    operand: Condition


@dataclass(frozen=True, slots=True)
class Known:
    """Unknown becomes false."""

    operand: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Every operand holds; true when there is none."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one operand holds; false when there is none."""

    operands: tuple[Condition, ...]


Condition = Compare | Matches | IsNull | Not | Known | All | Any

EVERYTHING = All(())


def to_sql(condition: Condition, parameters: list[object]) -> str:
    """The condition as an SQL expression; its values are appended to ``parameters``."""
    match condition:
        case All(()):
            return "true"
        case Any(()):
            return "false"
        case All(operands):
            return "(" + " AND ".join(to_sql(operand, parameters) for operand in operands) + ")"
        case Any(operands):
            return "(" + " OR ".join(to_sql(operand, parameters) for operand in operands) + ")"
        case Not(operand):
            return f"(NOT {to_sql(operand, parameters)})"
        case Known(operand):
            return f"coalesce({to_sql(operand, parameters)}, false)"
        case IsNull(column):
            return f"({column.name} IS NULL)"
        case Matches(column, expression):
            parameters.append(expression)
            return _of_any_element(column, "{} ~* $" + f"{len(parameters)}::text")
        case Compare(column, operator, value):
            if column.kind == "integer":
                value = str(value)  # numeric takes any size; a number too large matches nothing
                parameters.append(value)
                return f"({column.name} {operator} ${len(parameters)}::text::numeric)"
            parameters.append(value)
            parameter = f"${len(parameters)}::{CASTS[column.kind]}"
            if column.kind in ("string", "strings"):
                return _of_any_element(column, f"lower({{}}) {operator} lower({parameter})")
            return f"({column.name} {operator} {parameter})"


def _of_any_element(column: Column, test: str) -> str:
    if column.kind == "strings":
        return f"EXISTS (SELECT 1 FROM unnest({column.name}) AS element WHERE {test.format('element')})"
    return "(" + test.format(column.name) + ")"
