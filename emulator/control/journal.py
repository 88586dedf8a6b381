"""Asking what reached the roles: search, count, wait, and expect with near misses.

The roles write (``emulator.message_journal``), in whatever process they run; here their files are read, from
where the last look ended. Nothing is kept in memory but positions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.errors import ConfigMgrError
from emulator.message_journal import BODIES, BODY, LINES, entry_of, segments

FIELDS = (
    "role", "client", "smsid", "endpoint", "kind", "method", "path", "status", "message_id", "policy",
    "package",
)  # fmt: skip
LOOK_AGAIN = 0.02  # seconds between two looks at files that somebody else writes
NEAR_MISSES = 5


class UnknownField(ConfigMgrError):
    """The journal cannot be searched by this."""


class NotInJournal(AssertionError):
    """What was expected did not reach the site; the text says what came closest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that reached a role."""

    fields: Mapping[str, Any]
    body: str | list[int]  # itself, or where it is (``emulator.message_journal``)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None

    def get(self, name: str) -> Any:
        return self.fields.get(name)

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.fields["real_time"], UTC)
        what = self.get("kind") or self.get("endpoint") or f"{self.get('method')} {self.get('path')}"
        who = self.get("client") or self.get("smsid") or "somebody"
        reason = f" ({self.get('reason')})" if self.get("reason") else ""
        return f"{what} from {who} at {at:%H:%M:%S} to {self.get('role')}: {self.get('status')}{reason}"


@dataclass(slots=True)
class _Position:
    segment: int = 0
    offset: int = 0


class Journal:
    """The journals of all roles of a site, as one."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """``folders``: role name -> the folder of its journal; a folder may not be there yet."""
        self._folders = dict(folders)

    def search(self, *, limit: int | None = None, after: float = 0.0, **wanted: Any) -> list[Entry]:
        """What came, oldest first; the newest ``limit`` of it. ``after``: real seconds since 1970.

        Raises:
            UnknownField: the valid ones are listed.
        """
        check(wanted)
        found = [e for e in self._look({}) if e.fields["real_time"] > after and matches(e, wanted)]
        found.sort(key=lambda e: (e.fields["real_time"], e.fields["number"]))
        return found if limit is None else found[-limit:] if limit else []

    def count(self, *, after: float = 0.0, **wanted: Any) -> int:
        """How many came; raises as ``search``."""
        return len(self.search(after=after, **wanted))

    async def wait(
        self, *, times: int = 1, within: float = 5.0, after: float = 0.0, **wanted: Any
    ) -> list[Entry]:
        """Wait until at least ``times`` of them have come (real seconds), and return them.

        Raises:
            NotInJournal: they did not; with the nearest misses. UnknownField: as ``search``.
        """
        check(wanted)
        found: list[Entry] = []
        others: list[Entry] = []
        positions: dict[str, _Position] = {}
        end = time.monotonic() + within
        while True:
            for entry in self._look(positions):
                if entry.fields["real_time"] > after:
                    (found if matches(entry, wanted) else others).append(entry)
            del others[: -64 * NEAR_MISSES]
            if len(found) >= times:
                return found
            if time.monotonic() >= end:
                raise NotInJournal(_missed(wanted, times, within, found, others))
            await asyncio.sleep(LOOK_AGAIN)

    async def expect(
        self, *, times: int = 1, within: float = 5.0, after: float = 0.0, **wanted: Any
    ) -> list[Entry]:
        """As ``wait``, and no more than ``times`` of them may have come; 0 times: none, in all that time.

        Raises:
            NotInJournal, UnknownField: as ``wait``; more came than were expected.
        """
        if times == 0:
            try:
                found = await self.wait(times=1, within=within, after=after, **wanted)
            except NotInJournal:
                return []
        else:
            found = await self.wait(times=times, within=within, after=after, **wanted)
        if len(found) > times:
            told = "\n".join(f"  {entry}" for entry in found[: times + NEAR_MISSES])
            raise NotInJournal(f"{_text(wanted)}: {len(found)} came, {times} expected:\n{told}")
        return found

    def follow(self) -> Follower:
        """For who asks again and again for what is new; it begins with what the journals hold now."""
        return Follower(self)

    def body(self, entry: Entry) -> bytes:
        """A message's body, decoded; empty when its segment has gone meanwhile. Long ones are cut."""
        if isinstance(entry.body, str):
            return entry.body.encode("utf-8", "surrogatepass")
        segment, offset, length, _ = entry.body
        path = self._folders[entry.fields["role"]] / f"{segment:08}{BODIES}"
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return b""

    def _look(self, positions: dict[str, _Position]) -> Iterator[Entry]:
        """What was written since these positions, and move them."""
        for role, folder in self._folders.items():
            position = positions.setdefault(role, _Position())
            for segment in segments(folder) if folder.is_dir() else []:
                if segment < position.segment:
                    continue
                if segment > position.segment:
                    position.segment, position.offset = segment, 0
                yield from _read(folder / f"{segment:08}{LINES}", role, position)


class Follower:
    """A place in the journals, moved on by each look."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._positions: dict[str, _Position] = {}

    def new(self) -> Iterator[Entry]:
        """What came since the last time."""
        return self._journal._look(self._positions)


def _read(path: Path, role: str, position: _Position) -> Iterator[Entry]:
    try:
        with path.open("rb") as file:
            file.seek(position.offset)
            data = file.read()
    except FileNotFoundError:  # the ring has moved on
        return
    whole = data.rfind(b"\n") + 1
    position.offset += whole
    for line in data[:whole].splitlines():
        with suppress(ValueError):  # the last words of a process that was killed, or of a full disk
            fields = entry_of(line, role)
            yield Entry(fields, fields.pop(BODY))


def check(wanted: Mapping[str, Any]) -> None:
    """See that the journal can be searched by these.

    Raises:
        UnknownField: the valid ones are listed.
    """
    for name in wanted:
        if name not in FIELDS:
            raise UnknownField.naming_valid(f"the journal knows no {name!r}", FIELDS)


def matches(entry: Entry, wanted: Mapping[str, Any]) -> bool:
    """Whether a message is one of those; text is compared without letter case, as the product does."""
    return all(_same(entry.get(name), value) for name, value in wanted.items())


def _same(found: Any, wanted: Any) -> bool:
    return str(found).casefold() == str(wanted).casefold()


def _missed(
    wanted: Mapping[str, Any], times: int, within: float, found: list[Entry], others: list[Entry]
) -> str:
    came = f"{len(found)} of {times}" if found else "none"
    told = f"{_text(wanted)}: {came} came within {within:g} s"
    near = nearest(others, wanted)
    if not near:
        return f"{told}; nothing like it reached the site"
    return "\n".join((f"{told}; closest:", *(f"  {entry}" for entry in near)))


def nearest(entries: list[Entry], wanted: Mapping[str, Any]) -> list[Entry]:
    """Those that differ in the fewest of the wanted fields, the newest first."""

    def hits(entry: Entry) -> int:
        return sum(_same(entry.get(name), value) for name, value in wanted.items())

    scored = [(hits(e), e.fields["real_time"], e) for e in entries]
    scored.sort(key=lambda s: s[:2], reverse=True)
    return [entry for score, _, entry in scored[:NEAR_MISSES] if score]


def _text(wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in wanted.items()) or "any message"
