"""The condition of CMPivot's ``where``, as the same small tree that ``$filter`` and WQL become."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import (
    Any,
    Column,
    Compare,
    Condition,
    IsNull,
    Known,
    Matches,
    Not,
    Operator,
)
from emulator.site_server.condition_reader import ConditionReader, Token, tokens_of
from emulator.site_server.odata import literal_expression

Columns = Mapping[str, Column]

MAX_DEPTH = 40
TOKEN = re.compile(
    r"""\s*(?:(?P<string>'[^']*'|"[^"]*")|(?P<number>-?\d+)
    |(?P<operator>==|=~|!=|!~|<>|<=|>=|<|>|!\w+)|(?P<name>\w+)|(?P<sign>[(),]))""",
    re.VERBOSE,
)
OPERATORS: dict[str, Operator] = {
    "==": "=", "=~": "=", "!=": "<>", "!~": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
FRAMES = {"contains": "{}", "startswith": "^{}", "endswith": "{}$", "like": ""}


def column_of(name: str, columns: Columns) -> Column:
    """The property of this name, without regard to case.

    Raises:
        UnsupportedQuery: there is none.
    """
    for known, column in columns.items():
        if known.lower() == name.strip().lower():
            return column
    there = ", ".join(column.name for column in columns.values())
    raise UnsupportedQuery(f"CMPivot: there is no property {name.strip()!r}; there are {there}")


def read_condition(text: str, columns: Columns) -> Condition:
    """Read the whole of a condition.

    Raises:
        UnsupportedQuery: the sentence says which word is not understood.
    """
    if text.count("(") > MAX_DEPTH or text.lower().count("not") > MAX_DEPTH:
        raise UnsupportedQuery("CMPivot: the condition is too deeply nested")
    reader = _Reader(tokens_of(text, TOKEN, _Reader.language), columns)
    condition = reader.either()
    reader.end()
    return condition


class _Reader(ConditionReader):
    language = "CMPivot"

    def __init__(self, tokens: list[Token], columns: Columns) -> None:
        super().__init__(tokens)
        self._columns = columns

    def negated(self, condition: Condition) -> Condition:
        return Not(Known(condition))

    def comparison(self) -> Condition:
        for name in ("isnull", "isnotnull"):
            if self.take(name):
                self.expect("(")
                null = IsNull(column_of(self.next().text, self._columns))
                self.expect(")")
                return null if name == "isnull" else Not(null)
        token = self.next()
        if token.kind != "name":
            raise UnsupportedQuery(f"CMPivot: a property is expected, not {token.text!r}")
        column = column_of(token.text, self._columns)
        sign = self.next()
        if sign.text in OPERATORS:
            return Compare(column, OPERATORS[sign.text], _constant(column, self.next()))
        if sign.word in ("in", "!in"):
            condition = self._one_of(column)
            return Not(Known(condition)) if sign.word == "!in" else condition
        frame = FRAMES.get(sign.word.removeprefix("!"))
        if frame is None:
            raise UnsupportedQuery(f"CMPivot: {sign.text!r} is not supported after {column.name}")
        matches = _matches(column, sign.word.removeprefix("!"), frame, self.next())
        return Not(Known(matches)) if sign.word.startswith("!") else matches

    def _one_of(self, column: Column) -> Condition:
        self.expect("(")
        options = [Compare(column, "=", _constant(column, self.next()))]
        while self.take(","):
            options.append(Compare(column, "=", _constant(column, self.next())))
        self.expect(")")
        return Any(tuple(options))


def _constant(column: Column, token: Token) -> str | int:
    if column.kind == "string" and token.kind == "string":
        return token.text[1:-1]
    if column.kind == "integer" and token.kind == "number":
        return int(token.text)
    expected = "a number" if column.kind == "integer" else "a text in quotes"
    raise UnsupportedQuery(f"CMPivot: {column.name} is compared with {expected}, not with {token.text!r}")


def _matches(column: Column, word: str, frame: str, token: Token) -> Condition:
    if column.kind != "string" or token.kind != "string":
        raise UnsupportedQuery(f"CMPivot: {word} compares a text with a text in quotes")
    text = token.text[1:-1]
    if word == "like":
        return Matches(column, _like(text))
    return Matches(column, frame.format(literal_expression(text)))


def _like(text: str) -> str:
    """``%`` and ``_`` as a regular expression.

    Each part is looked for once, from where the one before it ended: a row of wildcards on a text
    that nearly fits would otherwise be tried in every combination.
    """
    first, *others = ["".join("." if c == "_" else literal_expression(c) for c in p) for p in text.split("%")]
    if not others:
        return f"^{first}$"
    return f"^{first}{''.join(f'(?>.*?{part})' for part in others[:-1])}.*{others[-1]}$"
