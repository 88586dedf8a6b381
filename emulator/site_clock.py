"""The hands on a site's clock: speed, freeze, advance, and a skew for one role or client.

Every change is one new state, taken at one moment by everybody: what runs in this process
shares the timeline, other processes follow the file. Bad values are refused with the valid ones
before anything changes, and what was done stands in the history.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from emulator.clock import Clock, ClockSettings, real_time
from emulator.clock_file import FILE_NAME, KeptTimeline, read_clock
from emulator.errors import ClockRefused, TopologyError
from emulator.history import History
from emulator.topology import Topology

_SPEEDS = (1e-3, 1e6)  # site seconds a real second
END = datetime(9000, 1, 1, tzinfo=UTC).timestamp()  # datetimes and certificates end with the year 9999
MOST_SKEW = 10 * 366 * 86400.0  # site seconds


class SiteClock(Clock):
    """The clock that shows the right time, and that can be changed."""

    def __init__(self, data: Path, settings: ClockSettings, topology: Topology) -> None:
        self.path = data / FILE_NAME
        super().__init__(timeline=KeptTimeline(self.path, settings))
        self._topology = topology
        self.history: History | None = None  # where changes are told, once there is one
        self.on_changed: Callable[[], None] = lambda: None  # tells other processes

    # -- changing it -----------------------------------------------------------------

    def set(
        self,
        *,
        speed: float | None = None,
        frozen: bool | None = None,
        advance: float | None = None,
        skew: Mapping[str, float] | None = None,
    ) -> ClockSettings:
        """Change several things at one moment; what is not named stays as it is.

        Args:
            speed: site seconds per real second, when the clock runs.
            frozen: whether it stands still.
            advance: site seconds to jump ahead; whoever should have been woken meanwhile is woken now.
            skew: by role, kind of role, computer or client: the site seconds by which its clock is
                ahead (behind, if negative); 0 puts it right.

        Raises:
            ClockRefused: with what was wrong and what is valid; nothing was changed.
        """
        asked = {
            name: value
            for name, value in (("speed", speed), ("frozen", frozen), ("advance", advance), ("skew", skew))
            if value is not None
        }
        now, state = real_time(), self.settings
        ahead = 0.0 if advance is None else _number("advance", advance, 0.0, END)
        reached = state.site_time(now) + ahead
        if reached > END:
            raise ClockRefused(f"advance: {ahead:g} s lead beyond the year 9000")
        changed = ClockSettings(
            speed=state.speed if speed is None else _number("speed", speed, *_SPEEDS),
            real_origin=now,
            site_origin=reached,
            frozen=state.frozen if frozen is None else _truth("frozen", frozen),
            skew=self._skewed(state.skew, skew or {}),
        )
        self._become(changed)
        if self.history:
            self.history.note("operator", "set_clock", **asked, site_time_set=reached)
        return changed

    def set_speed(self, speed: float) -> None:
        """Let site time run this many times as fast as real time. Raises as ``set``."""
        self.set(speed=speed)

    def freeze(self) -> None:
        """Let site time stand still: nobody who sleeps is woken until it is moved or runs again."""
        self.set(frozen=True)

    def resume(self) -> None:
        """Let it run again, at the speed it had."""
        self.set(frozen=False)

    def advance(self, seconds: float) -> None:
        """Jump ahead by so many site seconds. Raises as ``set``."""
        self.set(advance=seconds)

    def set_skew(self, who: str, seconds: float) -> None:
        """Put the clock of a role (a kind of role, a computer, a client) wrong. Raises as ``set``."""
        self.set(skew={who: seconds})

    # -- moving on in steps ------------------------------------------------------------

    def next_due(self) -> float | None:
        """The first time (by the right clock) that somebody in this process sleeps until."""
        return self.timeline.agenda.next_due()

    def jump_to(self, site_time: float) -> None:
        """Show exactly this time; not in the history, which tells of the whole journey instead."""
        state = self.settings
        self._become(state.model_copy(update={"real_origin": real_time(), "site_origin": site_time}))

    async def quiet(self) -> int:
        """As ``Agenda.quiet``, for the running event loop."""
        return await self.timeline.agenda.quiet()

    # -- small things ------------------------------------------------------------------

    def _become(self, state: ClockSettings) -> None:
        self.timeline.change(state)
        self.on_changed()

    def _skewed(self, held: Mapping[str, float], asked: Mapping[str, float]) -> dict[str, float]:
        skew = dict(held)
        for name, value in asked.items():
            seconds = _number(f"skew of {name}", value, -MOST_SKEW, MOST_SKEW)
            for who in self._whose(name):
                if seconds:
                    skew[who] = seconds
                else:
                    skew.pop(who, None)
        return skew

    def _whose(self, name: str) -> Iterable[str]:
        """The roles and clients that a name means."""
        roles = {role.name: role.kind for role in self._topology.roles}
        clients = sorted(self.timeline.names - set(roles))
        if name in clients:
            return [name]
        try:
            meant = [role for role in self._topology.resolve(name) if role.kind != "site_database"]
        except TopologyError as exc:
            known = f"; clients: {', '.join(clients)}" if clients else ""
            refused = ClockRefused(f"skew: {exc}{known}")
            refused.valid = (*exc.valid, *clients)
            raise refused from exc
        if not meant:
            valid = [role for role, kind in roles.items() if kind != "site_database"]
            raise ClockRefused.naming_valid(
                "skew: nobody asks the clock of the site database", valid + clients
            )
        return [role.name for role in meant]


def kept_settings(data: Path, speed: float | None) -> ClockSettings:
    """The state a site starts with: as its folder keeps it, at another speed if one is given.

    While the site was off its clock ran on, unless it was frozen.
    """
    kept = read_clock(data / FILE_NAME)
    if speed is not None:
        speed = _number("speed", speed, *_SPEEDS)
    if kept is None:
        return ClockSettings(speed=speed or 1.0)
    if speed is None or speed == kept.speed:
        return kept
    now = real_time()
    return kept.model_copy(update={"speed": speed, "real_origin": now, "site_origin": kept.site_time(now)})


def _number(name: str, value: float, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ClockRefused(f"{name}: {value!r} is no number")
    if not least <= value <= most:
        raise ClockRefused(f"{name}: {value:g} is not possible; valid: {least:g} to {most:g}")
    return float(value)


def _truth(name: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise ClockRefused(f"{name}: {value!r} is neither true nor false")
    return value
