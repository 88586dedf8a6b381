"""A site's clock for several processes: one small file that each of them follows.

The site replaces ``clock.json`` whole at each change. Who follows it looks at the file's
signature each time it tells the time, so no process ever tells an old time: a killed role
that is started again, and a frozen one that goes on, read what holds now. Only sleepers have to
be woken: the site tells each role's process of a change by a byte on its standard input;
whoever has no such parent looks once a second while somebody there sleeps.
"""

from __future__ import annotations

import os
from pathlib import Path
from weakref import WeakValueDictionary

from pydantic import ValidationError

from emulator.clock import Clock, ClockSettings, Timeline
from emulator.errors import ClockRefused
from emulator.logs import get_logger

FILE_NAME = "clock.json"  # in the site's data folder
LOOK_AGAIN = 1.0  # real seconds

# In the site's own process roles share its timeline, and so does everything in one role's process.
_known: WeakValueDictionary[Path, Timeline] = WeakValueDictionary()

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
        _known[path.resolve()] = self

    def change(self, state: ClockSettings) -> None:
        """As for any timeline.

        Raises:
            ClockRefused: the file cannot be written; the clock stays as it is.
        """
        self._write(state)
        super().change(state)

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
        super().__init__(read_clock(path) or fallback)
        self._path = path
        self._seen = self._signature()
        self.look_every = look_every
        _known[path.resolve()] = self

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116  # at every look at the clock: as cheap as can be
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    @property
    def state(self) -> ClockSettings:
        """What holds now; the last that could be read, if the file is gone."""
        signature = self._signature()
        if signature != self._seen:
            self._seen = signature
            found = read_clock(self._path)
            if found is not None and found != self._state:
                self.change(found)
        return self._state

    def look(self) -> None:
        """Somebody said that the clock was changed."""
        _ = self.state


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
