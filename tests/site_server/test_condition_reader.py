"""Sentences are cut into tokens and joined the same way, whatever language a comparison is in."""

from __future__ import annotations

import re

import pytest

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import All, Any, Column, Condition, IsNull, Not
from emulator.site_server.condition_reader import END, ConditionReader, Token, tokens_of

PATTERN = re.compile(r"\s*(?:(?P<string>'[^']*')|(?P<name>\w+)|(?P<sign>[()]))")


class Words(ConditionReader):
    """Every comparison is a word: is it missing?"""

    language = "Words"

    def negated(self, condition: Condition) -> Condition:
        return Not(condition)

    def comparison(self) -> Condition:
        return IsNull(Column(self.next().text))


def read(text: str) -> Condition:
    reader = Words(tokens_of(text, PATTERN, "Words"))
    condition = reader.either()
    reader.end()
    return condition


A, B, C = (IsNull(Column(name)) for name in "abc")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a", A),
        ("a and b or c", Any((All((A, B)), C))),
        ("a AND (b Or c)", All((A, Any((B, C))))),
        ("not a and b", All((Not(A), B))),
        ("not not (a)", Not(Not(A))),
    ],
)
def test_operands_are_joined(text: str, condition: Condition) -> None:
    assert read(text) == condition


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a b", "Words: 'b' is not supported here"),
        ("(a", r"Words: '\)' is expected, not 'the end'"),
        ("a ; b", "Words: ' ; b' is not understood"),
    ],
)
def test_what_is_no_sentence_is_refused_by_word(text: str, says: str) -> None:
    with pytest.raises(UnsupportedQuery, match=says):
        read(text)


def test_a_text_in_quotes_is_no_keyword() -> None:
    (token,) = tokens_of("'and'", PATTERN, "Words")
    assert (token, token.word) == (Token("string", "'and'"), "")
    assert Words([]).next() is END
