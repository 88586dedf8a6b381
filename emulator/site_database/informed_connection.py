"""Sessions that know what PostgreSQL's own types consist of.

asyncpg asks that of the server for every array type, in every new session, with a query that costs more than
most of ours do. Built-in types have the same numbers and the same elements on every server, so one answer
serves all sessions of a process; types that a database has made are asked for as ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg

FIRST_MADE = 16384  # PostgreSQL's FirstNormalObjectId: below are the numbers it gives its own types


class _Unasked(NamedTuple):
    """Stands for the statement that was not needed: nothing that was prepared has to be prepared again."""

    name: str = "known"


_answers: dict[frozenset[int], Any] = {}


class InformedConnection(asyncpg.Connection):
    """An asyncpg connection. Were the method not there any more, it would ask again, and nothing else."""

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float) -> tuple[Any, Any]:
        types = frozenset(typeoids)
        if types in _answers:
            return _answers[types], _Unasked()
        answer: tuple[Any, Any] = await super()._introspect_types(types, timeout)  # type: ignore[misc]
        if max(types) < FIRST_MADE:
            _answers[types] = answer[0]
        return answer
