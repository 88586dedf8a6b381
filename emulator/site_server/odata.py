"""OData query options, as far as the SMS Provider answers them.

``$filter`` is parsed by odata-query and becomes a condition over the columns of one class;
``$select``, ``$top``, ``$skip``, ``$orderby`` and ``$count`` are read here. Whatever else OData
knows is refused by name: a filter that silently matched too much would make a test lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import (
    EVERYTHING,
    All,
    Any,
    Column,
    Compare,
    Condition,
    IsNull,
    Known,
    Matches,
    Not,
    Operator,
    Value,
)

OPTIONS = ("$filter", "$select", "$top", "$skip", "$orderby", "$count")
MAX_FILTER = 8192  # characters; the parser is recursive, a stranger's nesting is not our stack
MAX_DEPTH = 60

COMPARATORS: dict[type, Operator] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
MIRRORED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
# function -> how its second argument stands in a regular expression
TEXT_FUNCTIONS = {"startswith": "^{}", "endswith": "{}$", "contains": "{}"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a GET on a class asks for. ``select`` empty means every property."""

    condition: Condition = EVERYTHING
    select: tuple[str, ...] = ()
    order_by: tuple[tuple[str, bool], ...] = ()  # property, descending
    top: int | None = None
    skip: int = 0
    count: bool = False


def parse_query(options: Mapping[str, str], columns: Mapping[str, Column]) -> Query:
    """Read the query options of a URL.

    Args:
        options: the URL's query, decoded.
        columns: property name -> column, of the class that is asked.

    Raises:
        UnsupportedQuery: an option, a property or a function is not known here.
    """
    for option in options:
        if option not in OPTIONS:
            raise UnsupportedQuery(f"{option!r} is not supported; the options are {', '.join(OPTIONS)}")
    known = {name.lower(): name for name in columns}

    def name_of(text: str) -> str:
        name = known.get(text.strip().lower())
        if name is None:
            raise UnsupportedQuery(f"there is no property {text.strip()!r}; there are {', '.join(columns)}")
        return name

    return Query(
        condition=_Filter(lambda text: columns[name_of(text)]).parse(options.get("$filter", "")),
        select=tuple(name_of(part) for part in _parts(options.get("$select", "")) if part != "*"),
        order_by=tuple(_order(part, name_of) for part in _parts(options.get("$orderby", ""))),
        top=_number(options, "$top"),
        skip=_number(options, "$skip") or 0,
        count=_truth(options.get("$count", "false")),
    )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _order(part: str, name_of: Callable[[str], str]) -> tuple[str, bool]:
    name, _, direction = part.partition(" ")
    if direction.strip().lower() not in ("", "asc", "desc"):
        raise UnsupportedQuery(f"$orderby {part!r}: a property name, then 'asc' or 'desc', is expected")
    return name_of(name), direction.strip().lower() == "desc"


def _number(options: Mapping[str, str], option: str) -> int | None:
    text = options.get(option)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UnsupportedQuery(f"{option} is {text!r}; a number of rows is expected")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise UnsupportedQuery(f"$count is {text!r}; 'true' or 'false' is expected")
    return text == "true"


class _Filter:
    """One ``$filter`` expression on its way to a condition."""

    def __init__(self, column_of: Callable[[str], Column]) -> None:
        self._column_of = column_of

    def parse(self, text: str) -> Condition:
        if not text.strip():
            return EVERYTHING
        if len(text) > MAX_FILTER or text.count("(") + text.lower().count("not") > MAX_DEPTH:
            raise UnsupportedQuery(f"$filter is longer than {MAX_FILTER} characters or too deeply nested")
        try:
            return self._condition(ODataParser().parse(ODataLexer().tokenize(text.strip())))
        except (ODataException, RecursionError) as exc:
            raise UnsupportedQuery(f"$filter {text!r} cannot be read: {exc}") from exc

    def _condition(self, node: object) -> Condition:
        match node:
            case ast.BoolOp(ast.And(), left, right):
                return _joined(All, self._condition(left), self._condition(right))
            case ast.BoolOp(ast.Or(), left, right):
                return _joined(Any, self._condition(left), self._condition(right))
            case ast.UnaryOp(ast.Not(), operand):
                return Not(Known(self._condition(operand)))
            case ast.Compare(ast.In(), ast.Identifier() as left, ast.List(items)):
                return Any(tuple(self._compare("=", left, item) for item in items))
            case ast.Compare(comparator, left, right) if type(comparator) in COMPARATORS:
                return self._compare(COMPARATORS[type(comparator)], left, right)
            case ast.Call(function, arguments):
                return self._call(function.name, list(arguments))
            case ast.CollectionLambda(ast.Identifier() as owner, ast.Any(), ast.Lambda(element, test)):
                return self._any_element(owner, element, test)
            case ast.Identifier():
                return self._compare("=", node, ast.Boolean("true"))
        raise UnsupportedQuery(f"$filter: {_words(node)} is not supported")

    def _compare(self, operator: Operator, left: object, right: object) -> Condition:
        match left, right:
            case ast.Call(), ast.Boolean():  # startswith(Name,'All') eq true
                called = Known(self._condition(left))
                holds = right.py_val is (operator == "=")
                if operator not in ("=", "<>"):
                    raise UnsupportedQuery(f"$filter: {operator} does not compare truth")
                return called if holds else Not(called)
            case ast.Identifier(), ast.Null() if operator in ("=", "<>"):
                null = IsNull(self._column(left))
                return null if operator == "=" else Not(null)
            case ast.Identifier(), ast._Literal() if not isinstance(right, ast.Null):
                column = self._column(left)
                compared = Compare(column, operator, literal(column, left.name, right))
                # OData: null ne 'x' is true
                return Any((compared, IsNull(column))) if operator == "<>" else compared
            case ast._Literal(), ast.Identifier():
                return self._compare(MIRRORED[operator], right, left)
        raise UnsupportedQuery(
            f"$filter: {_words(left)} compared with {_words(right)} is not supported; "
            "compare a property with a constant"
        )

    def _call(self, name: str, arguments: list[object]) -> Condition:
        frame = TEXT_FUNCTIONS.get(name)
        if frame is None:
            raise UnsupportedQuery(f"$filter: the function {name!r} is not supported; there are "
                                   f"{', '.join(TEXT_FUNCTIONS)}")  # fmt: skip
        match arguments:
            case [ast.Identifier() as property_name, ast.String(text)]:
                column = self._column(property_name)
                if column.kind == "string":
                    return Matches(column, frame.format(literal_expression(text)))
        raise UnsupportedQuery(f"$filter: {name} takes a text property and a text in quotes")

    def _any_element(self, owner: ast.Identifier, element: ast.Identifier, test: object) -> Condition:
        """``RoleNames/any(role: role eq 'Full Administrator')``: a list is compared element by element."""
        column = self._column_of(owner.name)
        match test:
            case ast.Compare(ast.Eq(), ast.Identifier(name), ast.String(text)) if (
                column.kind == "strings" and name == element.name
            ):
                return Compare(column, "=", check_text(text))
        raise UnsupportedQuery(f"$filter: {owner.name}/any(x: x eq 'text') is all that is supported of any")

    def _column(self, identifier: ast.Identifier) -> Column:
        if identifier.namespace:
            raise UnsupportedQuery(f"$filter: {identifier.namespace[0]!r} before a property is not supported")
        column = self._column_of(identifier.name)
        if column.kind in ("strings", "json"):
            raise UnsupportedQuery(f"$filter: {identifier.name} holds a list and cannot be compared")
        return column


def _joined(of: type[All] | type[Any], left: Condition, right: Condition) -> Condition:
    """A chain of 'and' is one node, however long: it must not become a deep tree."""
    operands = left.operands if isinstance(left, of) else (left,)
    return of((*operands, right))


def literal(column: Column, name: str, node: object) -> Value:
    """A constant of the filter as a value of the column's kind."""
    try:
        value: object = getattr(node, "py_val", None)
    except (ValueError, OverflowError) as exc:  # the 30th of February
        raise UnsupportedQuery(f"$filter: {name} compared with {_words(node)}: {exc}") from exc
    match column.kind, node:
        case "string", ast.String() | ast.GUID():
            return check_text(str(getattr(node, "val", "")))
        case "integer", ast.Integer() | ast.Float():
            return value  # type: ignore[return-value]  # an int or a float
        case "boolean", ast.Boolean():
            return bool(value)
        case "datetime", ast.DateTime() if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case "datetime", ast.Date():
            return datetime.combine(value, time(), UTC)  # type: ignore[arg-type]  # a date
    raise UnsupportedQuery(f"$filter: {name} holds {article(column.kind)}, not {_words(node)}")


def check_text(text: str) -> str:
    """Refuse what PostgreSQL cannot hold in a text: NUL and halves of surrogate pairs.

    Raises:
        UnsupportedQuery: the text has one.
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UnsupportedQuery("the text has a character that the site database cannot hold")
    return text


def literal_expression(text: str) -> str:
    """A regular expression of PostgreSQL that matches the text itself."""
    return "".join(c if c.isalnum() or c.isspace() or c == "_" else "\\" + c for c in check_text(text))


def article(kind: str) -> str:
    return {"integer": "a number", "boolean": "true or false", "datetime": "a time"}.get(kind, "a text")


def _words(node: object) -> str:
    if isinstance(node, ast.Call):
        return f"the function {node.func.name!r}"
    text = getattr(node, "val", None) or getattr(node, "name", None)
    return f"{type(node).__name__} {text!r}" if isinstance(text, str) else type(node).__name__
