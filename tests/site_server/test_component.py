"""A component makes passes: when woken, when due, and again after a pass that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emulator.clock import Clock, ClockSettings
from emulator.errors import SiteDatabaseUnavailable
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.database import SiteDatabase
from emulator.site_server.component import Component
from emulator.site_server.database_notification_monitor import DatabaseNotificationMonitor

ADDRESS = RoleAddress(name="site_server", kind="site_server", computer="S", host="127.0.0.1", port=1)


def role(database: SiteDatabase | None = None) -> SimpleNamespace:
    settings = RoleSettings(role=ADDRESS, site_code="S01", roles=(ADDRESS,), data=Path("/"), secret="")
    return SimpleNamespace(settings=settings, clock=Clock(ClockSettings(speed=1000.0)), database=database)


class Counting(Component):
    """Counts its passes; ``outcomes`` says how the first ones end."""

    log_name = "counting"
    tables = frozenset({"smspackages"})
    least_pause = 0.01

    def __init__(self, *outcomes: float | Exception | None) -> None:
        super().__init__(role())
        self.outcomes = list(outcomes)
        self.passes = 0
        self.passed = asyncio.Condition()

    async def work(self) -> float | None:
        async with self.passed:
            self.passes += 1
            self.passed.notify_all()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def reaches(self, passes: int) -> None:
        async with asyncio.timeout(5), self.passed:
            await self.passed.wait_for(lambda: self.passes >= passes)


@asynccontextmanager
async def running(component: Component) -> AsyncIterator[None]:
    task = asyncio.create_task(component.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_first_pass_needs_no_notice_and_the_next_does() -> None:
    component = Counting()
    async with running(component):
        await component.reaches(1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert component.passes == 1
        component.wake()
        await component.reaches(2)


async def test_a_pass_says_when_the_next_is_due() -> None:
    component = Counting(10.0)  # site seconds: 10 ms
    async with running(component):
        await component.reaches(2)


@pytest.mark.parametrize("failure", [SiteDatabaseUnavailable(), ValueError("a mistake of ours")])
async def test_a_failed_pass_is_repeated(failure: Exception) -> None:
    component = Counting(failure, failure)
    async with running(component):
        await component.reaches(3)


@pytest.mark.parametrize(
    ("heard", "woken"), [("smspackages", True), ("SMSPackages", True), ("", True), ("x", False)]
)
async def test_notices_go_to_those_who_look_at_the_table(heard: str, woken: bool) -> None:
    component = Counting()
    component._woken.clear()
    DatabaseNotificationMonitor(role(), [component]).heard(heard)
    assert component._woken.is_set() is woken


async def test_the_monitor_hears_what_another_session_changes(site_database: SiteDatabase) -> None:
    component = Counting()
    monitor = DatabaseNotificationMonitor(role(site_database), [component])
    async with running(component), running(monitor):
        await component.reaches(2)  # its first, and the full pass as soon as the monitor listens
        passes = component.passes
        await site_database.execute(
            "INSERT INTO SMSPackages (PkgID, Name, SourceSite, SourceDate)"
            " VALUES ('S0100001', 'a', 'S01', now())"
        )
        await component.reaches(passes + 1)


async def test_a_notice_may_come_before_the_monitor_is_told_that_it_listens() -> None:
    """Between the two the event loop turns: the notice comes from there, and from no task."""
    component = Counting()
    component._woken.clear()
    told: list[bool] = []

    class Eager:
        async def listen(self, _: str, heard: Callable[[str], None]) -> None:
            asyncio.get_running_loop().call_soon(heard, "smspackages")
            await asyncio.sleep(0)
            told.append(component._woken.is_set())
            heard("")

    loop, failed = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: failed.append(context))
    monitor = DatabaseNotificationMonitor(role(cast(SiteDatabase, Eager())), [component])
    with pytest.raises(SiteDatabaseUnavailable):
        await monitor.work()
    assert told == [True]
    assert not failed


async def test_the_next_pass_is_made_when_it_is_due_although_the_clock_is_put_back() -> None:
    component = Counting(100.0)
    component.clock = component.clock.of("site_server")
    timeline, right = component.clock.timeline, component.clock.settings
    timeline.change(right.model_copy(update={"skew": {component.clock.who: 366 * 86_400.0}}))
    async with running(component):
        component.wake()
        await component.reaches(1)
        timeline.change(right)
        await component.reaches(2)
