"""WQL, as far as collection rules of this site use it.

    select [distinct] * | attribute, ... from SMS_R_System [where condition]

    condition:  attribute =|!=|<>|<|>|<=|>=|like constant | attribute is [not] null
                | not condition | condition and|or condition | (condition)

Attributes may be written ``SMS_R_System.Name`` or with an alias declared by ``as``. Everything
else, joins with inventory classes and subselects above all, is refused by name: a rule that
silently matched other machines would be worse than none.

Text compares without regard to case; ``like`` knows ``%``, ``_``, ``[a-z]`` and ``[^a-z]``. A
comparison of a list attribute (IPSubnets) holds if any element satisfies it. A resource that
lacks the attribute satisfies neither a comparison nor its opposite, as in the product's SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import (
    EVERYTHING,
    Column,
    Compare,
    Condition,
    IsNull,
    Matches,
    Not,
    Operator,
    Value,
)
from emulator.site_server.condition_reader import ConditionReader, Token, tokens_of
from emulator.site_server.odata import article, check_text, literal_expression

MAX_LENGTH = 8192
MAX_DEPTH = 60
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*')|(?P<number>-?\d+(?:\.\d+)?)
    |(?P<operator><=|>=|<>|!=|=|<|>)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[(),.*]))""",
    re.VERBOSE,
)
OPERATORS: dict[str, Operator] = {
    "=": "=", "!=": "<>", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=",
}  # fmt: skip
SOURCE = "SMS_R_System"


def parse_wql(text: str, columns: Mapping[str, Column]) -> Condition:
    """Read a membership query.

    Args:
        columns: attribute -> column, of SMS_R_System.

    Raises:
        UnsupportedQuery: the sentence says which word is not understood.
    """
    if len(text) > MAX_LENGTH or text.count("(") > MAX_DEPTH or text.lower().count("not") > MAX_DEPTH:
        raise UnsupportedQuery(f"the query is longer than {MAX_LENGTH} characters or too deeply nested")
    return _Parser(text, columns).query()


class _Parser(ConditionReader):
    language = "WQL"

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        super().__init__(tokens_of(check_text(text), TOKEN, self.language))
        self._columns = {name.lower(): column for name, column in columns.items()}
        self._names = ", ".join(columns)
        self._prefixes = {SOURCE.lower()}
        self._selected: list[str] = []

    # -- the sentence --------------------------------------------------------------

    def query(self) -> Condition:
        self.expect("select")
        self.take("distinct")
        self._selection()
        self.expect("from")
        source = self.next()
        if source.word != SOURCE.lower():
            raise UnsupportedQuery(f"WQL: rules select from {SOURCE}; {source.text!r} is not supported")
        if self.take("as"):
            self._prefixes.add(self.next().word)
        if self.peek().word in ("inner", "left", "right", "full", "join"):
            raise UnsupportedQuery("WQL: 'join' is not supported; a rule looks at SMS_R_System alone")
        condition: Condition = EVERYTHING
        if self.take("where"):
            condition = self.either()
        self.end()
        for name in self._selected:
            if name != "*":
                self._column(name)
        return condition

    def _selection(self) -> None:
        """What is selected does not matter to membership, but it must exist.

        An alias is declared only later in the sentence, so names are checked at its end.
        """
        while True:
            token = self.next()
            if token.word == "*":
                self._selected.append("*")
            elif token.kind == "name":
                self._selected.append(self._dotted(token))
            else:
                raise UnsupportedQuery(f"WQL: an attribute or * is expected, not {token.text!r}")
            if not self.take(","):
                return

    def _dotted(self, first: Token) -> str:
        name = first.text
        while self.take("."):
            name += "." + self.next().text
        return name

    def _column(self, name: str) -> Column:
        prefix, _, attribute = name.lower().rpartition(".")
        if prefix and prefix not in self._prefixes:
            raise UnsupportedQuery(f"WQL: {name!r} belongs to another class; only {SOURCE} is supported")
        column = self._columns.get(attribute)
        if column is None:
            raise UnsupportedQuery(f"WQL: {SOURCE} has no attribute {attribute!r}; it has {self._names}")
        return column

    # -- conditions ----------------------------------------------------------------

    def negated(self, condition: Condition) -> Condition:
        return Not(condition)

    def comparison(self) -> Condition:
        token = self.next()
        if token.kind != "name":
            raise UnsupportedQuery(f"WQL: an attribute is expected, not {token.text!r}")
        name = self._dotted(token)
        column = self._column(name)
        if self.take("is"):
            negated = self.take("not")
            self.expect("null")
            return Not(IsNull(column)) if negated else IsNull(column)
        negated = self.take("not")
        if self.take("like"):
            condition = _like(column, name, self.next())
            return Not(condition) if negated else condition
        operator = OPERATORS.get(self.peek().text)
        if negated or operator is None:
            raise UnsupportedQuery(f"WQL: {self.peek().text!r} is not supported after {name}")
        self.next()
        return Compare(column, operator, _value(column, name, self.next()))


def _text(token: Token) -> str:
    body = token.text[1:-1]
    if token.text[0] == "'":
        body = body.replace("''", "'")
    return re.sub(r"\\(.)", r"\1", body)


def _value(column: Column, name: str, token: Token) -> Value:
    text = _text(token) if token.kind == "string" else token.text
    if column.kind in ("string", "strings") and token.kind == "string":
        return text
    if column.kind == "integer" and re.fullmatch(r"-?\d{1,30}", text):
        return int(text)  # WQL takes a number in quotes too
    if column.kind == "boolean" and text.lower() in ("0", "1", "true", "false"):
        return text.lower() in ("1", "true")
    if column.kind == "datetime" and token.kind == "string":
        return _time(name, text)
    raise UnsupportedQuery(f"WQL: {name} holds {article(column.kind)}; {token.text!r} is none")


def _time(name: str, text: str) -> datetime:
    """``2026-11-23 10:00:00`` or the CIM form ``20261123100000.000000+***``; UTC if it does not say."""
    cim = re.fullmatch(r"(\d{14})\.\d{6}(\+\*\*\*|\+000|-000)", text)
    try:
        time = datetime.strptime(cim[1], "%Y%m%d%H%M%S") if cim else datetime.fromisoformat(text)
    except ValueError as exc:
        raise UnsupportedQuery(f"WQL: {name} holds a time; {text!r} is none") from exc
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _like(column: Column, name: str, token: Token) -> Condition:
    if column.kind not in ("string", "strings") or token.kind != "string":
        raise UnsupportedQuery(f"WQL: 'like' compares a text attribute with a text; {name} like {token.text}")
    return Matches(column, f"^{''.join(_like_parts(_text(token)))}$")


def _like_parts(pattern: str) -> list[str]:
    """``%``, ``_`` and ``[set]`` as regular expressions; everything else stands for itself."""
    parts = []
    for part in re.findall(r"\[\^?[^\]]+\]|.", pattern, re.DOTALL):
        if part == "%":
            parts.append(".*")
        elif part == "_":
            parts.append(".")
        elif len(part) > 2 and part[0] == "[":
            parts.append(_set(part))
        else:
            parts.append(literal_expression(part))
    return parts


def _set(part: str) -> str:
    negated = part[1] == "^"
    body = part[2 if negated else 1 : -1]
    members = []
    for member in re.findall(r".-.|.", body, re.DOTALL):
        if len(member) == 3 and not (member[0] <= member[2] and member[0].isalnum() and member[2].isalnum()):
            raise UnsupportedQuery(f"WQL: the range {member!r} in {part!r} is not supported")
        members.append(f"{member[0]}-{member[2]}" if len(member) == 3 else literal_expression(member))
    return f"[{'^' if negated else ''}{''.join(members)}]"
