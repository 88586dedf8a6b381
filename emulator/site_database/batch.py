"""Many askers, one query: look-ups that come while one is under way travel together in the next.

Asking PostgreSQL costs a role far more time in the driver and the event loop than in the server, and that
price is for the question, not for its rows. Nothing is remembered: whoever asks is answered by a
query that began after he had asked, and an outage reaches everyone who was in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from emulator.errors import SiteDatabaseUnavailable

K = TypeVar("K")
V = TypeVar("V")

MOST = 256  # look-ups in one query


class Batch(Generic[K, V]):
    """One kind of look-up; ``ask`` answers many keys, in their order, with one query."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Sequence[V]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, key: K) -> V:
        """The answer to one key.

        Raises:
            SiteDatabaseUnavailable: the query it was in found no database.
        """
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._ask_together(now)
        finally:
            self._asking = None

    async def _ask_together(self, asked: list[tuple[K, asyncio.Future[V]]]) -> None:
        try:
            answers = await self._ask([key for key, _ in asked])
        except SiteDatabaseUnavailable as exc:
            for _, answer in asked:
                _fail(answer, SiteDatabaseUnavailable(str(exc)), exc)
        except Exception as exc:
            if len(asked) == 1:
                _fail(asked[0][1], exc)
                return
            for one in asked:  # somebody asked what cannot be asked: the others are not to suffer
                await self._ask_together([one])
        else:
            for (_, answer), value in zip(asked, answers, strict=True):
                if not answer.done():
                    answer.set_result(value)


def _fail(answer: asyncio.Future[V], error: Exception, cause: Exception | None = None) -> None:
    """Tell whoever still waits; each gets an error of his own, or their tracebacks would grow together."""
    if not answer.done():
        error.__cause__ = cause
        answer.set_exception(error)
