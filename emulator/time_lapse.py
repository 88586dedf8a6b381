"""Time lapse: a week in seconds, with no due time skipped.

A fast clock makes everything happen at once, and some of it never: work takes real time, and
what is due meanwhile comes late. So the clock stands still while anybody works, and is then put
to the very next time that somebody sleeps until. Everything happens at exactly the time it was
planned for, however slow the machine is. That needs to know when nobody works any more: of
roles and clients in this process, and of notices that the site database has under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from emulator.clock import real_time
from emulator.errors import ClockRefused
from emulator.history import History
from emulator.site_clock import SiteClock

_MOST_AT_ONE_TIME = 10_000  # steps at one site time, after which nobody will ever be done


class Notified(Protocol):
    """Somebody who may not have heard yet of what was done."""

    async def caught_up(self) -> None: ...


class Site(Protocol):
    """As much of a site as time passes for."""

    clock: SiteClock
    history: History

    async def settled(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """How site time passed."""

    site_seconds: float
    real_seconds: float
    steps: int  # due times that were stopped at


async def settled(clock: SiteClock, hosts: Sequence[Notified], mode: str) -> None:
    """Return when everybody rests and there is nothing left that would wake them at this site time.

    Raises:
        ClockRefused: there are roles in other processes.
    """
    if mode != "in-process":
        raise ClockRefused(
            f"settled: whether a role in another process is at work is not known in the mode {mode!r};"
            " valid: 'in-process'"
        )
    while True:
        before = await clock.quiet()
        for host in hosts:
            await host.caught_up()
        if await clock.quiet() == before:
            return


async def pass_time(site: Site, site_seconds: float) -> Passage:
    """Let site time pass in steps; the clock is frozen afterwards.

    Raises:
        ClockRefused: in other modes than in-process; for a time that is none; when somebody is due
            again and again without site time passing.
    """
    clock = site.clock
    if not site_seconds >= 0:
        raise ClockRefused(f"pass_time: {site_seconds!r} is not possible; valid: 0 and more site seconds")
    if not clock.frozen:
        clock.freeze()
    begin, began = clock.time(), real_time()
    end = begin + site_seconds
    operation = site.history.invoke("operator", "pass_time", site_seconds=site_seconds)
    steps = at_this_time = 0
    await site.settled()
    while (due := clock.next_due()) is not None and due <= end:
        at_this_time = at_this_time + 1 if due <= clock.time() else 0
        if at_this_time > _MOST_AT_ONE_TIME:
            raise ClockRefused("pass_time: somebody is due again and again at one site time")
        clock.jump_to(max(due, clock.time()))
        steps += 1
        await site.settled()
    clock.jump_to(end)
    passage = Passage(site_seconds, real_time() - began, steps)
    operation.ok(steps=steps, real_seconds=round(passage.real_seconds, 3))
    return passage
