"""What a client did, told to the site's history with what it saw as evidence, and to its own logs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clients.component_logs import ComponentLogs
from emulator.errors import ConfigMgrError
from emulator.history import History


class Journal:
    """The site's history, written in one client's name."""

    def __init__(self, history: History, who: str, logs: ComponentLogs | None = None) -> None:
        """``logs``: the client's; None: it has none."""
        self._history = history
        self._who = who
        self._logs = logs
        self._at_work: set[asyncio.Task[Any]] = set()

    def cut(self) -> None:
        """The client dies: whatever is under way ends where it stands."""
        for task in self._at_work:
            task.cancel()

    def note(self, what: str, **detail: Any) -> None:
        self._history.note(self._who, what, **detail)
        self.log_only(what, **detail)

    def log_only(self, what: str, **detail: Any) -> None:
        """A word for the client's logs, which the history can do without."""
        if self._logs:
            self._logs.tell(what, "noted", detail)

    @contextmanager
    def operation(self, what: str, **detail: Any) -> Iterator[dict[str, Any]]:
        """An operation with an outcome; fill the yielded dict with the evidence of success.

        A request that may have been received is ``unknown`` when no answer came: a timeout
        is not a failure. Cancellation is unknown too.
        """
        operation = self._history.invoke(self._who, what, **detail)
        logs = self._logs
        if logs:
            logs.tell(what, "begun", detail)
        evidence: dict[str, Any] = {}
        task = asyncio.current_task()
        outermost = task is not None and task not in self._at_work
        if task is not None and outermost:
            self._at_work.add(task)
        try:
            yield evidence
        except asyncio.CancelledError:
            operation.unknown(**evidence, seen="cancelled")  # who was killed writes no line of it
            raise
        except Exception as exc:
            evidence |= {"error": type(exc).__name__, "seen": str(exc)}
            if isinstance(exc, ConfigMgrError):
                evidence["status"] = getattr(exc, "status", None)
            end = operation.unknown if getattr(exc, "sent", False) else operation.fail
            end(**evidence)
            if logs:
                logs.tell(what, "failed", evidence, detail)
            raise
        else:
            operation.ok(**evidence)
            if logs:
                logs.tell(what, "done", evidence, detail)
        finally:
            if task is not None and outermost:
                self._at_work.discard(task)
