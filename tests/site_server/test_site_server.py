"""The site server as a whole: it needs no database to start, and finds it again by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from emulator.errors import CannotStart
from emulator.site_database.database import SiteDatabase
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, Wire, add_system, until

Start = Callable[..., Awaitable[SiteServer]]


async def test_starts_without_a_database_and_recovers(
    start_site_server: Start,
    wire: Wire,
    wire_dsn: str,
    http: aiohttp.ClientSession,
    site_database: SiteDatabase,
) -> None:
    # the site database is down; the site server starts.
    server = await start_site_server(dsn=wire_dsn, speed=100.0)
    administrator = Administrator(http, server.settings.role.url)
    # expect: it answers, and refuses administration.
    for verb, path, body in (("GET", "SMS_Package", None), ("POST", "SMS_Package", {"Name": "a"})):
        status, refused = await administrator.ask(verb, path, body)
        assert (status, refused["error"]["code"]) == (500, "SiteDatabaseUnavailable")
        assert "cannot be reached" in refused["error"]["message"]
    # the database comes.
    await wire.join()
    # expect: the site is entered, administration works, changes are noticed.
    await until(lambda: site_database.fetchval("SELECT count(*) > 0 FROM SysResList"))
    await add_system(site_database, "PC1")
    await until(lambda: administrator.all("SMS_FullCollectionMembership", filter="Name eq 'PC1'"))
    # the database goes, and something changes meanwhile.
    await wire.cut()
    assert (await administrator.ask("POST", "SMS_Package", {"Name": "lost"}))[0] == 500
    await add_system(site_database, "PC2")
    # it comes back.
    await wire.join()
    # expect: what nobody was told of is found, and what was refused is not there.
    await until(lambda: site_database.fetchval("SELECT count(*) = 2 FROM CollectionMembers"))
    assert await administrator.all("SMS_Package") == []
    assert (await administrator.new("SMS_Package", Name="b"))["Name"] == "b"


async def test_stops_and_starts_again(start_site_server: Start, http: aiohttp.ClientSession) -> None:
    server = await start_site_server()
    await server.stop()
    again = SiteServer(server.settings)
    await again.start()
    try:
        status, _ = await Administrator(http, again.settings.role.url).ask("GET", "SMS_Site('S01')")
        assert status == 200
    finally:
        await again.stop()


async def test_needs_a_dsn(start_site_server: Start) -> None:
    with pytest.raises(CannotStart):
        await start_site_server(dsn=None)


async def test_other_paths_refuse_in_plain_text(site_server: SiteServer, http: aiohttp.ClientSession) -> None:
    async with http.put(f"{site_server.settings.role.url}/inboxes/nonsense.box/a.MIF", data=b"") as response:
        assert response.status == 404
        assert response.content_type == "text/plain"
