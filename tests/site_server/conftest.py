"""A site server on a real port and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from emulator.addresses import free_port
from emulator.clock import ClockSettings
from emulator.security import Security
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_server.site_server import SiteServer
from tests.site_server.devices import Devices
from tests.site_server.lab import (
    HOST,
    SECRET,
    USERS,
    Administrator,
    FakeDistributionPoint,
    Wire,
    add_system,
    until,
)
from tests.site_server.reporting import SMSID


@pytest.fixture
async def start_site_server(
    site_dsn: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[SiteServer]]]:
    """Starts site servers, and stops them after the test."""
    started: list[SiteServer] = []

    async def start(
        *,
        role_class: type[SiteServer] = SiteServer,
        speed: float = 1.0,
        dsn: str = site_dsn,
        others: tuple[RoleAddress, ...] = (),
        link_timeout: float = 30.0,
    ) -> SiteServer:
        me = RoleAddress(
            name="site_server",
            kind="site_server",
            computer="SITESRV",
            host=HOST,
            port=free_port(HOST),
            https_port=free_port(HOST),
        )
        settings = RoleSettings(
            role=me,
            site_code="S01",
            roles=(me, *others),
            data=tmp_path / "site_server",
            secret=SECRET,
            database=dsn,
            database_timeout=30.0,
            link_timeout=link_timeout,
            security=Security(users=USERS),
            clock=ClockSettings(speed=speed),
        )
        server = role_class(settings)
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.fixture
async def distribution_points() -> AsyncIterator[list[FakeDistributionPoint]]:
    """Two distribution points that answer."""
    points = []
    for number in (1, 2):
        address = RoleAddress(
            name=f"distribution_point_{number}",
            kind="distribution_point",
            computer=f"DP{number}",
            host=HOST,
            port=free_port(HOST),
        )
        points.append(FakeDistributionPoint(address))
        await points[-1].start()
    yield points
    for point in points:
        await point.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session:
        yield session


@pytest.fixture
async def site_server(
    start_site_server: Callable[..., Awaitable[SiteServer]], distribution_points: list[FakeDistributionPoint]
) -> SiteServer:
    """A site server that has entered itself into the database."""
    server = await start_site_server(speed=60.0, others=tuple(point.address for point in distribution_points))
    await until(lambda: server.database.fetchval("SELECT count(*) >= 3 FROM SysResList"))
    return server


@pytest.fixture
def administrator(site_server: SiteServer, http: aiohttp.ClientSession) -> Administrator:
    return Administrator(http, site_server.settings.role.url)


@pytest.fixture
def source_folder(tmp_path: Path) -> Path:
    """A package's source folder."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "setup.exe").write_bytes(b"MZ" * 3000)
    (folder / "sub" / "empty.txt").write_bytes(b"")
    return folder


@pytest.fixture
async def wire(site_dsn: str) -> AsyncIterator[Wire]:
    """A way to the site database that is cut at first; ``wire_dsn`` goes through it."""
    address = urlsplit(site_dsn)
    assert address.hostname
    assert address.port
    wire = Wire(address.hostname, address.port, free_port(HOST))
    yield wire
    await wire.cut()


@pytest.fixture
def wire_dsn(wire: Wire, site_dsn: str) -> str:
    return urlsplit(site_dsn)._replace(netloc=f"postgres@{HOST}:{wire.port}").geturl()


@pytest.fixture
def devices(http: aiohttp.ClientSession, site_server: SiteServer) -> Devices:
    return Devices(http, site_server)


@pytest.fixture
async def resource(site_server: SiteServer) -> int:
    return await add_system(site_server.database, "PC01", SMS_Unique_Identifier0=SMSID)
