"""A site's clock for several processes: one small file that each of them follows.

The site replaces ``clock.json`` whole at each change, and then counts the change in ``clock.changes``, eight
bytes that every follower has mapped. Who tells the time looks at these, so no process ever tells an old time:
a killed role that is started again, and a frozen one that goes on, read what holds now. Only sleepers have to
be woken: the site tells each role's process of a change by a byte on its standard input; whoever has no such
parent looks once a second while somebody there sleeps. Both look at the file itself, too.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from weakref import WeakValueDictionary

from pydantic import ValidationError

from emulator.clock import Clock, ClockSettings, Timeline
from emulator.errors import ClockRefused
from emulator.logs import get_logger

FILE_NAME = "clock.json"  # in the site's data folder
CHANGES = "changes"  # how the name of the counter's file ends
LOOK_AGAIN = 1.0  # real seconds

# In the site's own process roles share its timeline, and so does everything in one role's process.
_known: WeakValueDictionary[Path, Timeline] = WeakValueDictionary()

_NUMBER = struct.Struct("<Q")

log = get_logger("clock")


def read_clock(path: Path) -> ClockSettings | None:
    """The state that a clock file holds; None where there is none that can be read."""
    try:
        return ClockSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as exc:
        log.error("the clock file cannot be read", file=str(path), reason=str(exc))
        return None


class KeptTimeline(Timeline):
    """The one that everybody follows: what is changed here is in the file first."""

    def __init__(self, path: Path, settings: ClockSettings) -> None:
        super().__init__(settings)
        self._path = path
        self._write(settings)
        self._count_change()
        _known[path.resolve()] = self

    def change(self, state: ClockSettings) -> None:
        """As for any timeline.

        Raises:
            ClockRefused: the file cannot be written; the clock stays as it is.
        """
        self._write(state)
        self._count_change()
        super().change(state)

    def _count_change(self) -> None:
        """In place, because followers look at these very bytes; on from where another run left it.

        Raises:
            ClockRefused: the file cannot be written.
        """
        path = _counter_of(self._path)
        try:
            with path.open("r+b" if path.exists() else "w+b") as file:
                (number,) = _NUMBER.unpack(file.read(_NUMBER.size).ljust(_NUMBER.size, b"\0"))
                file.seek(0)
                file.write(_NUMBER.pack((number + 1) % 2**64))
        except OSError as exc:
            raise ClockRefused(f"{path}: the clock cannot be kept ({exc.strerror})") from exc

    def _write(self, state: ClockSettings) -> None:
        # Renamed, so that everybody reads the old state or the new one; not synced, because a clock
        # that jumps a thousand times a minute would do nothing else. A site whose machine lost power
        # between the two finds no time worth keeping there anyhow.
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        try:
            temporary.write_text(state.model_dump_json(), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as exc:
            raise ClockRefused(f"{self._path}: the clock cannot be kept ({exc.strerror})") from exc


class FollowedTimeline(Timeline):
    """A timeline in another process than the site's."""

    def __init__(self, path: Path, fallback: ClockSettings, look_every: float | None) -> None:
        super().__init__(fallback)
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._changes: mmap.mmap | None = None
        self._counted = b""
        self.look()
        self.look_every = look_every
        _known[path.resolve()] = self

    @property
    def state(self) -> ClockSettings:
        """What holds now; the last that could be read, if the file is gone."""
        if self._changes is None or self._changes[:] != self._counted:  # as cheap as can be: always asked
            self.look()
        return self._state

    def look(self) -> None:
        """Look at the file, whether or not somebody has counted a change."""
        counted = self._counter()  # first: what is counted while the file is read is looked at next time
        signature = _signature(self._path)
        if signature != self._seen:
            if counted == self._counted:  # nobody counted it: the counter is new, or not ours any more
                self._changes = _mapped(_counter_of(self._path))
                counted = self._counter()
            self._seen = signature
            found = read_clock(self._path)
            if found is not None and found != self._state:
                self.change(found)
        self._counted = counted

    def _counter(self) -> bytes:
        return self._changes[:] if self._changes is not None else b""


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _counter_of(path: Path) -> Path:
    return path.with_suffix(f".{CHANGES}")


def _mapped(path: Path) -> mmap.mmap | None:
    """The counter's bytes; None where it is not there yet, or nothing can be mapped."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), _NUMBER.size, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None


def follow(
    path: Path, who: str, fallback: ClockSettings | None = None, look_every: float | None = LOOK_AGAIN
) -> Clock:
    """The clock of ``who``, which does as the clock file says.

    Without a file it is ``fallback`` until there is one. ``look_every`` (real seconds): how often
    to look for changes while somebody sleeps; None where somebody tells of them (``look``).
    """
    timeline = _known.get(path.resolve())
    if timeline is None:
        timeline = FollowedTimeline(path, fallback or ClockSettings(), look_every)
    return Clock(who=who, timeline=timeline)


def look(clock: Clock) -> None:
    """The site says that its clock was changed: wake whoever is due."""
    if isinstance(clock.timeline, FollowedTimeline):
        clock.timeline.look()
