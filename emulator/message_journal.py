"""Every message that reached a role, one line each: a ring of files in the role's own folder.

Files, because a journal is asked what happened before a role died; they are written without waiting for
the disk, and what a process has written survives its SIGKILL. A segment has two files: lines of JSON, read by
``entry_of``, which hold short texts themselves, and the longer bodies that they point into. When the segments
together are larger than the role may keep, the oldest goes.

What is known of a request only inside (which client, which endpoint, what kind of report) is told by whoever
finds it out, with ``tell``; nobody has to hand anything through for that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from emulator.clock import Clock
from emulator.errors import CannotStart
from emulator.logs import get_logger

SEGMENTS = 4  # of a ring; the oldest of them goes at once
EACH, BODY = "each", "body"
SHORT = 2048  # characters of a body that stands in its line
LINES, BODIES = ".jsonl", ".bodies"

# Of a request, from outside: its method and path, the status of the answer, and the bytes that came.
Seen = tuple[str, str, int | None, int]

_told: ContextVar[dict[str, Any] | None] = ContextVar("told", default=None)


def tell(**what: Any) -> None:
    """Say what the message being answered is, for the journal; without one it costs nothing."""
    told = _told.get()
    if told is not None:
        told.update(what)


def tell_each(messages: Iterable[dict[str, Any]]) -> None:
    """Say that what is being answered is several messages: each gets a line of its own."""
    told = _told.get()
    if told is not None:
        told[EACH] = list(messages)


def begin() -> dict[str, Any]:
    """From here on ``tell`` is about a new message; returns where its words are collected."""
    told: dict[str, Any] = {}
    _told.set(told)
    return told


class MessageJournal:
    """The ring of one role."""

    log = get_logger("journal")

    def __init__(self, folder: Path, clock: Clock, limit: int) -> None:
        """``limit``: bytes of all segments together.

        Raises:
            CannotStart: the folder cannot be written.
        """
        self._folder = folder
        self._clock = clock
        self._share = limit // SEGMENTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept = segments(folder)
            numbers = (last_number(folder / f"{segment:08}{LINES}") for segment in reversed(kept))
            self.number = next((number for number in numbers if number), 0)
            self._open(kept[-1] if kept else 1)
            self._end_torn_line()
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc

    def _open(self, segment: int) -> None:
        """Write to this segment, new or as it was left: a role that comes back costs the ring nothing."""
        path = self._folder / f"{segment:08}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        bodies = os.open(path.with_suffix(BODIES), flags)
        try:
            self._lines = os.open(path.with_suffix(LINES), flags)
        except OSError:
            os.close(bodies)
            raise
        self._bodies, self._segment = bodies, segment
        self._body_size = os.fstat(bodies).st_size
        self._size = os.fstat(self._lines).st_size + self._body_size

    def _end_torn_line(self) -> None:
        """What follows the last words of a process that was killed is a line of its own."""
        written = (self._folder / f"{self._segment:08}{LINES}").read_bytes()
        if written and not written.endswith(b"\n"):
            self._size += os.write(self._lines, b"\n")

    def record(self, seen: Seen, told: dict[str, Any], began: float) -> None:
        """Write one message down, or each of those that came as one.

        ``told``: what was found out about it; ``began``: ``time.perf_counter`` when it came.
        """
        # Between two requests everything here has left the processor's caches, and each call and each
        # dictionary counts tenfold: hence the short form of a line, and no step that is not always needed.
        if EACH in told:
            for message in told.pop(EACH):
                self.record(seen, {**told, **message}, began)
            return
        body = told.get(BODY, "")
        if len(body) > SHORT or isinstance(body, bytes):
            self._keep(body, told)
        self.number = number = self.number + 1
        real, site = self._clock.times()
        entry = (number, real, site, perf_counter() - began, *seen, told)
        try:
            line = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # a name that is no Unicode: only the slower one escapes that
            line = json.dumps(entry).encode() + b"\n"
        self._size += len(line)
        try:
            os.write(self._lines, line)
        except OSError as exc:  # a full disk costs the journal, and never the message
            self.log.warning("message not kept in the journal", reason=str(exc))
        if self._size > self._share:
            self._turn()

    def _keep(self, body: str | bytes, told: dict[str, Any]) -> None:
        """Put a body beside the lines, before its own: whoever sees that finds it."""
        raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        kept = raw[: self._share // 2]
        if self._size and self._size + len(kept) > self._share:
            self._turn()
        told[BODY] = [self._segment, self._body_size, len(kept), len(raw)]
        try:
            os.write(self._bodies, kept)
        except OSError as exc:
            self.log.warning("body not kept in the journal", reason=str(exc))
            told[BODY] = ""
            return
        self._body_size += len(kept)
        self._size += len(kept)

    def _turn(self) -> None:
        """Go on in a new segment; the oldest goes when there are too many."""
        lines, bodies = self._lines, self._bodies
        try:
            self._open(self._segment + 1)
        except OSError as exc:
            self.log.warning("the journal's segment grows on", reason=str(exc))
            return
        os.close(lines)
        os.close(bodies)
        for old in segments(self._folder)[:-SEGMENTS]:
            (self._folder / f"{old:08}{LINES}").unlink(missing_ok=True)
            (self._folder / f"{old:08}{BODIES}").unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self._lines)
        os.close(self._bodies)


def entry_of(line: bytes, role: str) -> dict[str, Any]:
    """What a line says, by name; ``BODY``: itself, or its segment, its place there, bytes kept and in full.

    Raises:
        ValueError: it is not whole.
    """
    number, real, site, seconds, method, path, status, bytes_in, told = json.loads(line)
    return {
        "number": number,
        "role": role,
        "real_time": real,
        "site_time": round(site, 3),
        "seconds": round(seconds, 6),
        "method": method,
        "path": path,
        "status": status,
        "bytes_in": bytes_in,
        BODY: "",
        **told,
    }


def segments(folder: Path) -> list[int]:
    """The numbers of the segments that are there, oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{LINES}") if path.stem.isdigit())


def last_number(path: Path) -> int:
    """The number of a segment's last whole line; 0 where there is none."""
    for line in reversed(path.read_bytes().splitlines()):
        try:
            return int(entry_of(line, "")["number"])
        except (ValueError, TypeError):
            continue  # the last words of a process that was killed
    return 0
