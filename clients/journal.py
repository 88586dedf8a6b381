"""What a client did, told to the site's history with what it saw as evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emulator.errors import ConfigMgrError
from emulator.history import History


class Journal:
    """The site's history, written in one client's name."""

    def __init__(self, history: History, who: str) -> None:
        self._history = history
        self._who = who
        self._at_work: set[asyncio.Task[Any]] = set()

    def cut(self) -> None:
        """The client dies: whatever is under way ends where it stands."""
        for task in self._at_work:
            task.cancel()

    def note(self, what: str, **detail: Any) -> None:
        self._history.note(self._who, what, **detail)

    @contextmanager
    def operation(self, what: str, **detail: Any) -> Iterator[dict[str, Any]]:
        """An operation with an outcome; fill the yielded dict with the evidence of success.

        A request that may have been received is ``unknown`` when no answer came: a timeout
        is not a failure. Cancellation is unknown too.
        """
        operation = self._history.invoke(self._who, what, **detail)
        evidence: dict[str, Any] = {}
        task = asyncio.current_task()
        outermost = task is not None and task not in self._at_work
        if task is not None and outermost:
            self._at_work.add(task)
        try:
            yield evidence
        except ConfigMgrError as exc:
            end = operation.unknown if getattr(exc, "sent", False) else operation.fail
            status = getattr(exc, "status", None)
            end(**evidence, error=type(exc).__name__, seen=str(exc), status=status)
            raise
        except asyncio.CancelledError:
            operation.unknown(**evidence, seen="cancelled")
            raise
        except Exception as exc:
            operation.fail(**evidence, error=type(exc).__name__, seen=str(exc))
            raise
        else:
            operation.ok(**evidence)
        finally:
            if task is not None and outermost:
                self._at_work.discard(task)
