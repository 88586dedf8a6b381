"""What the languages of conditions have in common: tokens, and operands joined by ``and`` and ``or``.

Collection rules (WQL) and CMPivot differ in their words, signs and comparisons; how a sentence is cut
into tokens and how its parts are joined is the same.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import All, Any, Condition


class Token(NamedTuple):
    """A piece of a sentence; its kind is the name of the group that matched it."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        """What keywords and signs are compared with; a text in quotes is neither."""
        return "" if self.kind == "string" else self.text.lower()


END = Token("end", "the end")


def tokens_of(text: str, pattern: re.Pattern[str], language: str) -> list[Token]:
    """Cut a sentence into tokens; ``pattern`` has one named group for each kind.

    Raises:
        UnsupportedQuery: something is no token of the language.
    """
    tokens, position, text = [], 0, text.rstrip()
    while position < len(text):
        found = pattern.match(text, position)
        if not found or not found.lastgroup:
            raise UnsupportedQuery(f"{language}: {text[position : position + 20]!r} is not understood")
        tokens.append(Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


class ConditionReader(ABC):
    """Takes tokens from the front; a language says what a single operand is."""

    language: ClassVar[str]

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens

    def peek(self) -> Token:
        return self.tokens[0] if self.tokens else END

    def next(self) -> Token:
        return self.tokens.pop(0) if self.tokens else END

    def take(self, word: str) -> bool:
        """Take the next token if it is this word."""
        found = bool(self.tokens) and self.tokens[0].word == word
        if found:
            self.tokens.pop(0)
        return found

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise UnsupportedQuery(f"{self.language}: {word!r} is expected, not {self.peek().text!r}")

    def end(self) -> None:
        if self.tokens:
            raise UnsupportedQuery(f"{self.language}: {self.peek().text!r} is not supported here")

    def either(self) -> Condition:
        """Operands joined by ``or``, each of them operands joined by ``and``."""
        operands = [self._both()]
        while self.take("or"):
            operands.append(self._both())
        return operands[0] if len(operands) == 1 else Any(tuple(operands))

    def _both(self) -> Condition:
        operands = [self._single()]
        while self.take("and"):
            operands.append(self._single())
        return operands[0] if len(operands) == 1 else All(tuple(operands))

    def _single(self) -> Condition:
        if self.take("not"):
            return self.negated(self._single())
        if self.take("("):
            condition = self.either()
            self.expect(")")
            return condition
        return self.comparison()

    @abstractmethod
    def negated(self, condition: Condition) -> Condition:
        """The opposite, as the language understands it where a value is missing."""

    @abstractmethod
    def comparison(self) -> Condition:
        """One comparison."""
