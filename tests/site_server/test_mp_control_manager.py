"""Every five minutes a management point is asked what anybody may ask; what changed is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from emulator.addresses import free_port
from emulator.security import Security
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.database import SiteDatabase
from emulator.site_server.mp_control_manager import HEALTHY, ILL, MpControlManager
from tests.lapse import START, Lapse
from tests.site_server.lab import HOST, SECRET

ME = RoleAddress(name="site_server", kind="site_server", computer="SITESRV", host=HOST, port=1)


class FakeManagementPoint:
    """Answers its health test with a status, or is not there."""

    def __init__(self) -> None:
        self.address = RoleAddress(
            name="management_point", kind="management_point", computer="MP1", host=HOST, port=free_port(HOST)
        )
        self.status = 200
        self.asked: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address.host, self.address.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.Response(status=self.status)


@pytest.fixture
async def point() -> AsyncIterator[FakeManagementPoint]:
    point = FakeManagementPoint()
    await point.start()
    yield point
    await point.stop()


@pytest.fixture
def lapse(tmp_path: Path) -> Lapse:
    return Lapse(tmp_path)


def settings(point: FakeManagementPoint, folder: Path, mode: str = "mixed") -> RoleSettings:
    return RoleSettings(
        role=ME,
        site_code="S01",
        roles=(ME, point.address),
        data=folder,
        secret=SECRET,
        security=Security(mode=mode),  # type: ignore[arg-type]
    )


@pytest.fixture
async def running(
    point: FakeManagementPoint, tmp_path: Path, site_database: SiteDatabase, lapse: Lapse
) -> AsyncIterator[None]:
    role = SimpleNamespace(settings=settings(point, tmp_path), clock=lapse.clock, database=site_database)

    async def work() -> None:
        with lapse.clock.at_work():
            await MpControlManager(role).run()

    task = asyncio.create_task(work())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def told(database: SiteDatabase) -> list[tuple[int, float, str]]:
    """The status messages: number, minutes since the start, last text."""
    rows = await database.fetch(
        "SELECT MessageID, Time, (SELECT InsStrValue FROM StatusMessageInsStrs s"
        "  WHERE s.RecordID = m.RecordID ORDER BY InsStrIndex DESC LIMIT 1) AS Text"
        " FROM StatusMessages m WHERE Component = 'SMS_MP_CONTROL_MANAGER' ORDER BY m.RecordID"
    )
    return [(row[0], (row[1].timestamp() - START) / 60, row[2]) for row in rows]


@pytest.mark.usefixtures("running")
async def test_what_changed_is_told_once(
    point: FakeManagementPoint, lapse: Lapse, site_database: SiteDatabase
) -> None:
    await lapse.pass_time(12 * 60)
    assert point.asked == ["/SMS_MP/.sms_aut?MPLIST"] * 2
    # It does not reach the site database: it says so.
    point.status = 500
    await lapse.pass_time(10 * 60)
    # It is gone; then back.
    await point.stop()
    await lapse.pass_time(10 * 60)
    point.status = 200
    await point.start()
    await lapse.pass_time(10 * 60)
    assert await told(site_database) == [
        (HEALTHY, 5, "MP1"),
        (ILL, 15, "HTTP 500 Internal Server Error"),
        (HEALTHY, 35, "MP1"),
    ]


async def test_in_native_mode_it_does_not_test(
    point: FakeManagementPoint, tmp_path: Path, lapse: Lapse
) -> None:
    role = SimpleNamespace(
        settings=settings(point, tmp_path, "native"), clock=lapse.clock, database=SimpleNamespace()
    )
    await MpControlManager(role).run()
    assert point.asked == []
