"""State messages: loaded by the chunk, each once, and one bad file harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from emulator.site_database.server import PostgresServer
from emulator.site_server.state_system import StateSystem
from emulator.spool import SpoolEntry
from tests.site_server.lab import until
from tests.site_server.reporting import Desk, report_file, state

SMX = ReportKind.STATE


@pytest.fixture
async def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    desk = Desk(tmp_path, site_database)
    await desk.add_client()
    return desk


async def serials(desk: Desk) -> list[int]:
    return [row[0] for row in await desk.all("SELECT SerialNumber FROM SR_StateMessages ORDER BY ReceiptID")]


async def transactions(desk: Desk) -> int:
    """How many transactions wrote the messages that are there."""
    return int(await desk.database.fetchval("SELECT count(DISTINCT xmin::text) FROM SR_StateMessages"))


async def test_a_chunk_is_one_transaction(desk: Desk) -> None:
    await desk.load(*(state(serial) for serial in range(1, 21)))
    assert await serials(desk) == list(range(1, 21))
    assert await transactions(desk) == 1


async def test_many_files_are_many_chunks(desk: Desk) -> None:
    class Small(StateSystem):
        chunk_size = 5

    await desk.put(*(state(serial) for serial in range(1, 13)))
    await desk.component(SMX, Small).drain()
    assert await serials(desk) == list(range(1, 13))
    assert await transactions(desk) == 3


async def test_a_bad_file_harms_no_other_of_its_chunk(desk: Desk) -> None:
    stranger = "GUID:AAAAAAAA-2222-4333-8444-555555555555"
    await desk.load(
        state(1),
        report_file(SMX, "<Report/>", message_id="{bad}"),
        state(2, smsid=stranger),
        state(2**70),  # larger than the column
        state(3),
    )
    assert await serials(desk) == [1, 3]
    assert await desk.receipts() == 2
    assert list(desk.aside(SMX)) == ["../corrupt"]
    assert len(list((desk.spool(SMX).folder / "../corrupt").glob("*.SMX"))) == 3


async def test_each_report_once(desk: Desk) -> None:
    await desk.load(state(1), state(2))
    await desk.load(state(2), state(1), state(3))
    assert sorted(await serials(desk)) == [1, 2, 3]
    assert await desk.receipts() == 3


async def test_a_crash_between_commit_and_removal(desk: Desk) -> None:
    class Died(BaseException):
        pass

    class Dies(StateSystem):
        async def finish(self, entries: Sequence[SpoolEntry]) -> None:
            self.spool.remove(entries[0])
            raise Died

    await desk.put(*(state(serial) for serial in range(1, 5)))
    with pytest.raises(Died):
        await desk.component(SMX, Dies).drain()
    desk.reopen()
    assert len(desk.spool(SMX)) == 3
    await desk.component(SMX).drain()
    assert len(desk.spool(SMX)) == 0
    assert (await serials(desk), await desk.receipts()) == ([1, 2, 3, 4], 4)


async def test_an_outage_keeps_the_chunk(desk: Desk, postgres: PostgresServer) -> None:
    component = desk.component(SMX)
    await desk.put(state(1), state(2))
    await postgres.stop()
    try:
        with pytest.raises(SiteDatabaseUnavailable):
            await component.drain()
        assert len(desk.spool(SMX)) == 2
    finally:
        await postgres.start()
    running = asyncio.create_task(component.run())
    await until(lambda: _loaded(desk, 2))
    await desk.put(state(3))
    await until(lambda: _loaded(desk, 3))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await serials(desk) == [1, 2, 3]


async def _loaded(desk: Desk, count: int) -> bool:
    return await desk.receipts() == count and len(desk.spool(SMX)) == 0


async def test_what_comes_shortly_after_is_loaded_with_the_first(
    tmp_path: Path, site_database: SiteDatabase
) -> None:
    class Hasty(StateSystem):
        longest_gathering = 3.0

    desk = Desk(tmp_path, site_database, speed=1.0)  # ten seconds are ten seconds, and bounded
    await desk.add_client()
    await desk.put(state(1))
    draining = asyncio.create_task(desk.component(SMX, Hasty).drain())
    await asyncio.sleep(0)
    await desk.put(state(2))
    await draining
    assert (await serials(desk), await transactions(desk)) == ([1, 2], 1)
