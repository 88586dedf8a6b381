"""Site systems are entered at every start, as they are now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from emulator.settings import RoleAddress
from emulator.site_database.database import SiteDatabase
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import HOST, dp_nal, until

Start = Callable[..., Awaitable[SiteServer]]


def point(number: int, port: int) -> RoleAddress:
    return RoleAddress(
        name=f"dp{number}", kind="distribution_point", computer=f"DP{number}", host=HOST, port=port
    )


async def test_site_systems_move_come_and_go(start_site_server: Start, site_database: SiteDatabase) -> None:
    mp = RoleAddress(name="mp", kind="management_point", computer="MP1", host=HOST, port=1000)
    server = await start_site_server(others=(mp, point(1, 1001)))
    await until(lambda: site_database.fetchval("SELECT count(*) = 3 FROM SysResList"))
    site = await site_database.fetchrow("SELECT ServerName, DefaultMP FROM Sites")
    assert site is not None
    assert tuple(site) == ("SITESRV", "mp1.lab.test")
    await server.stop()

    await start_site_server(others=(mp, point(1, 1002), point(2, 1003)))
    await until(lambda: site_database.fetchval("SELECT count(*) = 4 FROM SysResList"))
    urls = "SELECT Url FROM SysResList WHERE NALPath = $1"
    assert await site_database.fetchval(urls, dp_nal(1)) == f"http://{HOST}:1002"

    await start_site_server(others=(mp,))
    await until(lambda: site_database.fetchval("SELECT count(*) = 2 FROM SysResList"))
