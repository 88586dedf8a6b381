"""Schedule tokens: 16 hex characters each, several make an assigned schedule.

The documentation shows the length and examples, not the bits; the layout here is our choice:
32 bits start (minutes since 1970, UTC), 8 bits duration (hours), 24 bits interval (minutes, 0 = once).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from emulator.errors import MalformedMessage
from emulator.protocol.xml import readable

TOKEN_LENGTH = 16
_TOKEN = re.compile(r"[0-9A-Fa-f]{16}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScheduleToken:
    """A moment, and how often it comes again (None: once). Whole minutes."""

    start: datetime
    recur: timedelta | None = None
    duration: timedelta = timedelta(0)

    def to_text(self) -> str:
        """Raises MalformedMessage: a value does not fit its bits."""
        start = (self.start - _EPOCH) // timedelta(minutes=1)
        hours = self.duration // timedelta(hours=1)
        interval = 0 if self.recur is None else self.recur // timedelta(minutes=1)
        if self.recur is not None and not interval:
            raise MalformedMessage("a schedule token comes again after a minute at the earliest")
        if not (0 <= start < 1 << 32 and 0 <= hours < 1 << 8 and 0 <= interval < 1 << 24):
            raise MalformedMessage("a schedule token's start, duration or interval is out of range")
        return f"{start:08X}{hours:02X}{interval:06X}"

    @classmethod
    def from_text(cls, text: str) -> ScheduleToken:
        """Raises MalformedMessage."""
        if not _TOKEN.fullmatch(text):
            raise MalformedMessage(f"{text!r} is no schedule token", raw=readable(text))
        try:
            start, hours, interval = int(text[:8], 16), int(text[8:10], 16), int(text[10:], 16)
            moment = _EPOCH + timedelta(minutes=start)
        except OverflowError as exc:
            raise MalformedMessage(f"{text!r} starts after the year 9999", raw=readable(text)) from exc
        return cls(moment, timedelta(minutes=interval) if interval else None, timedelta(hours=hours))


def parse_schedule(text: str) -> tuple[ScheduleToken, ...]:
    """The tokens of an assigned schedule; an empty text has none.

    Raises:
        MalformedMessage: not a multiple of 16 hex characters.
    """
    if len(text) % TOKEN_LENGTH:
        raise MalformedMessage(
            f"a schedule is tokens of 16 hex characters, not {text[:40]!r}", raw=readable(text)
        )
    return tuple(
        ScheduleToken.from_text(text[i : i + TOKEN_LENGTH]) for i in range(0, len(text), TOKEN_LENGTH)
    )


def next_time(tokens: Sequence[ScheduleToken], after: datetime) -> datetime | None:
    """The first moment later than ``after``, if there is one."""
    times = []
    for token in tokens:
        if token.start > after:
            times.append(token.start)
        elif token.recur:
            times.append(token.start + ((after - token.start) // token.recur + 1) * token.recur)
    return min(times, default=None)


def latest_due(tokens: Sequence[ScheduleToken], now: datetime) -> datetime | None:
    """The last moment not later than ``now``, if there was one."""
    times = []
    for token in tokens:
        if token.start <= now:
            passed = (now - token.start) // token.recur if token.recur else 0
            times.append(token.start + passed * token.recur if token.recur else token.start)
    return max(times, default=None)
