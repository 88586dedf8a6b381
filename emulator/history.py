"""The history of a run: every operation as invoke, then ok, fail or unknown.

A report is made from this, never from what the code meant to do. ``unknown`` is for an
operation that may or may not have taken effect: a timeout is not a failure. The words that
are written are listed in docs/history.md.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from emulator.clock import Clock, real_time
from emulator.errors import MalformedHistory

Phase = Literal["invoke", "ok", "fail", "unknown", "note"]
_PHASES = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history."""

    number: int
    operation: int  # the invoke's number; joins an invoke with its completion
    phase: Phase
    who: str
    what: str
    real_time: float
    site_time: float
    detail: Mapping[str, Any] = field(default_factory=dict)


class Operation:
    """Something begun; complete it exactly once."""

    def __init__(self, history: History, invoked: Event) -> None:
        self._history = history
        self.invoked = invoked

    def ok(self, **evidence: Any) -> Event:
        return self._complete("ok", evidence)

    def fail(self, **evidence: Any) -> Event:
        return self._complete("fail", evidence)

    def unknown(self, **evidence: Any) -> Event:
        return self._complete("unknown", evidence)

    def _complete(self, phase: Phase, evidence: dict[str, Any]) -> Event:
        i = self.invoked
        return self._history.append(phase, i.who, i.what, evidence, operation=i.number)


class History:
    """Events in order, in memory and, given a path, as JSON lines on disk as they happen.

    A file that is there already is continued: what an earlier life of its writer left stays, but
    for a last line that was torn when it died.
    """

    def __init__(self, clock: Clock | None = None, path: Path | None = None) -> None:
        self._clock = clock or Clock()
        self.events: list[Event] = []
        self._first = _continued(path) if path and path.exists() else 0
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def follow(self, clock: Clock) -> None:
        """From now on site time is what this clock shows."""
        self._clock = clock

    def invoke(self, who: str, what: str, **detail: Any) -> Operation:
        return Operation(self, self.append("invoke", who, what, detail))

    def note(self, who: str, what: str, **detail: Any) -> Event:
        return self.append("note", who, what, detail)

    def append(
        self, phase: Phase, who: str, what: str, detail: dict[str, Any], operation: int | None = None
    ) -> Event:
        number = self._first + len(self.events)
        event = Event(
            number,
            number if operation is None else operation,
            phase,
            who,
            what,
            real_time(),
            self._clock.time(),
            detail,
        )
        self.events.append(event)
        if self._file:
            # One flushed line an event: a run that dies leaves all but its last words.
            self._file.write(_line(event))
            self._file.flush()
        return event

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def _line(event: Event) -> str:
    return json.dumps(asdict(event), default=str) + "\n"


def write_history(path: Path, events: Iterable[Event]) -> None:
    """Write a history whole, in the place of what the file held.

    Raises:
        OSError: the file cannot be written; it is as it was.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(_line(event) for event in events)
    temporary.replace(path)


# -- reading what was written ------------------------------------------------------------


def read_history(path: Path) -> list[Event]:
    """The events of a file, numbered by their lines; a last line that was torn by a kill is left out.

    Raises:
        OSError: the file cannot be read.
        MalformedHistory: a line is no event, with the file and the line's number.
    """
    events: list[Event] = []
    numbers: dict[int, int] = {}  # as it stands in the file -> by line
    lines = path.read_bytes().split(b"\n")
    for position, line in enumerate(lines, 1):
        if position == len(lines):
            break  # after the last newline: nothing, or a torn line
        written = _event(line, f"{path}:{position}")
        number = len(events)
        if written.phase in ("invoke", "note"):
            numbers[written.number] = number
        operation = numbers.get(written.operation)
        if operation is None:
            raise MalformedHistory(
                f"{path}:{position}: it ends operation {written.operation}, which never began"
            )
        events.append(replace(written, number=number, operation=operation))
    return events


def _event(line: bytes, where: str) -> Event:
    try:
        event = Event(**json.loads(line))
    except (ValueError, TypeError) as exc:
        raise MalformedHistory(
            f"{where}: a line of a history is a JSON object with {', '.join(Event.__slots__)}; {exc}"
        ) from exc
    if event.phase not in _PHASES:
        raise MalformedHistory(f"{where}: unknown phase {event.phase!r}; valid: {', '.join(_PHASES)}")
    if not isinstance(event.detail, dict):
        raise MalformedHistory(f"{where}: the detail is no JSON object")
    return event


def _continued(path: Path) -> int:
    """Cut off a torn last line; returns the number of the next event."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        with path.open("rb+") as file:
            file.truncate(whole)
    last = content[:whole].rstrip(b"\n").rpartition(b"\n")[2]
    return _event(last, str(path)).number + 1 if last else 0


def merge(*histories: Sequence[Event]) -> list[Event]:
    """Histories of several writers on one computer as one, in the order of real time, numbered anew.

    The order is sound: the real time of an invoke is taken before anything is done and that of a
    completion after all of it. Within one history its own order stands, even if the computer's
    clock was set back meanwhile.
    """
    merged: list[Event] = []
    numbers: dict[tuple[int, int], int] = {}
    # Only the next event of each history is ever looked at, so none overtakes another of its own.
    sources = ([(source, event) for event in events] for source, events in enumerate(histories))
    for source, event in heapq.merge(*sources, key=lambda entry: entry[1].real_time):
        number = len(merged)
        if event.operation == event.number:
            numbers[source, event.number] = number
        merged.append(replace(event, number=number, operation=numbers[source, event.operation]))
    return merged
