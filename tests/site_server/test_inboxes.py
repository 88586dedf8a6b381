"""Inboxes over HTTP: what is taken and what is refused; and all six kinds through a whole site server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from emulator.protocol.report_batch import encode_batch
from emulator.protocol.report_file import INBOX, SUFFIX, ReportFile, ReportKind
from emulator.site_database.database import SiteDatabase
from emulator.site_server.inbox_component import InboxComponent
from emulator.site_server.inboxes import Inboxes
from emulator.site_server.loaders import LOADERS, make_loaders
from emulator.site_server.metering_processor import MeteringProcessor
from emulator.site_server.site_server import SiteServer
from emulator.spool import SpoolEntry
from tests.site_server.lab import add_system, until
from tests.site_server.reporting import (
    SMSID,
    Desk,
    collected,
    ddr,
    disk,
    event,
    idmif,
    inventory,
    metering,
    report_file,
    state,
)

HINV = ReportKind.HARDWARE_INVENTORY


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


def url_of(server: SiteServer, file: ReportFile) -> str:
    return f"{server.settings.role.url}/inboxes/{INBOX[file.kind]}/{file.key}{SUFFIX[file.kind]}"


# -- the door ------------------------------------------------------------------------------


class Closed(SiteServer):
    """Its inboxes fill, and nobody empties them."""

    def make_loaders(self) -> list[InboxComponent[object]]:
        return []


@pytest.fixture
async def closed(start_site_server: Callable[..., Awaitable[SiteServer]]) -> SiteServer:
    return await start_site_server(role_class=Closed)


async def test_a_file_is_stored_and_then_held(closed: SiteServer, http: aiohttp.ClientSession) -> None:
    file = inventory("1.0")
    for expected in (201, 200):
        async with http.put(url_of(closed, file), data=file.to_bytes()) as response:
            assert response.status == expected
    [entry] = closed.inboxes.spools[HINV].entries()
    assert entry.read() == file.to_bytes()
    assert closed.inboxes.backlog()[HINV] == 1


async def test_without_the_secret_nothing_is_taken(closed: SiteServer) -> None:
    file = inventory("1.0")
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.put(url_of(closed, file), data=file.to_bytes()) as response,
    ):
        assert response.status == 401
    assert not closed.inboxes.spools[HINV].entries()


async def test_an_unknown_inbox_is_answered_with_the_known_ones(
    closed: SiteServer, http: aiohttp.ClientSession
) -> None:
    url = f"{closed.settings.role.url}/inboxes/auth/nothing.box/abc.MIF"
    async with http.put(url, data=b"") as response:
        assert response.status == 404
        text = await response.text()
    assert all(inbox in text for inbox in INBOX.values())


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fevil.MIF", "abc", ".MIF", "a.b.MIF", "abc.DDR", "%00.MIF", "%C3%A9.MIF"]
)
async def test_a_name_that_is_no_key_is_refused(
    closed: SiteServer, http: aiohttp.ClientSession, name: str
) -> None:
    url = URL(f"{closed.settings.role.url}/inboxes/auth/dataldr.box/{name}", encoded=True)
    async with http.put(url, data=inventory("1.0").to_bytes()) as response:
        assert response.status in (400, 404)
    assert not closed.inboxes.spools[HINV].entries()


async def test_what_is_no_report_file_or_another_one_is_refused(
    closed: SiteServer, http: aiohttp.ClientSession
) -> None:
    file, other, wrong_kind = inventory("1.0"), inventory("2.0"), event("SoftDistProgramStartedEvent")
    body = file.to_bytes()
    for content in (b"", b"{}", body[:-1], body + b" ", other.to_bytes(), wrong_kind.to_bytes()):
        async with http.put(url_of(closed, file), data=content) as response:
            assert response.status == 400, content
    assert not closed.inboxes.spools[HINV].entries()


async def test_a_file_beyond_all_sizes_is_refused(closed: SiteServer, http: aiohttp.ClientSession) -> None:
    closed.settings = closed.settings.model_copy(update={"max_body": 1000})
    file = report_file(HINV, "x" * 3000)
    async with http.put(url_of(closed, file), data=file.to_bytes()) as response:
        assert response.status == 413


async def test_a_disk_that_refuses_is_told(
    closed: SiteServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(files: object) -> list[SpoolEntry]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(closed.inboxes.spools[HINV], "put_all", full)
    file = inventory("1.0")
    async with http.put(url_of(closed, file), data=file.to_bytes()) as response:
        assert response.status == 507
        assert "No space left" in await response.text()


# -- through the whole site server ---------------------------------------------------------


async def test_every_kind_goes_from_its_inbox_into_the_database(
    start_site_server: Callable[..., Awaitable[SiteServer]], http: aiohttp.ClientSession
) -> None:
    server = await start_site_server(speed=3600.0)
    await add_system(server.database, "PC01", SMS_Unique_Identifier0=SMSID)
    files = [
        inventory("1.0", [disk("C:", 1)]),
        inventory("1.0", kind=ReportKind.SOFTWARE_INVENTORY),
        ddr({"Name": "PC01"}),
        metering(),
        event("SoftDistProgramStartedEvent"),
        state(1),
        collected(),
        idmif("1.0", {"Speed": "9600"}),
    ]
    for file in files:
        async with http.put(url_of(server, file), data=file.to_bytes()) as response:
            assert response.status == 201
    await until(lambda: server.database.fetchval("SELECT count(*) = 8 FROM InboxReceipt"))
    kinds = await server.database.fetch("SELECT Kind FROM InboxReceipt ORDER BY Kind")
    assert [row["kind"] for row in kinds] == sorted(kind.value for kind in ReportKind)


def test_there_is_a_loader_for_every_inbox_and_each_can_be_replaced(
    desk: Desk,
) -> None:
    class Other(MeteringProcessor):
        pass

    parts = make_loaders(desk.role, desk.inboxes, {ReportKind.METERING: Other})
    assert {part.kind for part in parts} == set(ReportKind) == set(LOADERS)
    assert [type(part) for part in parts if part.kind is ReportKind.METERING] == [Other]
    assert all(part.spool is desk.spool(part.kind) for part in parts)


def test_inboxes_lie_where_the_product_has_them(tmp_path: Path) -> None:
    Inboxes(tmp_path)
    folders = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_dir()}
    assert set(INBOX.values()) <= folders


async def test_several_files_at_once_are_kept_all_or_none(
    closed: SiteServer, http: aiohttp.ClientSession
) -> None:
    url = f"{closed.settings.role.url}/inboxes/{INBOX[HINV]}"
    files = [inventory(f"{n}.0") for n in range(1, 6)]
    pairs = [(file.key, file.to_bytes()) for file in files]
    wrong = (files[0].key, files[1].to_bytes())
    for body in (encode_batch([*pairs, wrong]), b"no batch"):
        async with http.post(url, data=body) as response:
            assert response.status == 400
    assert not closed.inboxes.spools[HINV].entries()
    for _ in range(2):
        async with http.post(url, data=encode_batch(pairs)) as response:
            assert response.status == 201
    assert [e.key for e in closed.inboxes.spools[HINV].entries()] == [key for key, _ in pairs]
