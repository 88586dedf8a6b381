"""What every loader does: each report once, in order, through outages and crashes, past bad files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database.database import SiteDatabase
from emulator.site_database.server import PostgresServer
from emulator.site_server.inventory_data_loader import InventoryDataLoader
from emulator.spool import SpoolEntry
from tests.site_server.lab import until
from tests.site_server.reporting import Desk, disk, event, inventory, report_file

HINV = ReportKind.HARDWARE_INVENTORY


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


# -- exactly once --------------------------------------------------------------------------


async def test_the_same_report_again_is_only_removed(desk: Desk) -> None:
    await desk.add_client()
    file = inventory("1.0", [disk("C:", 1)])
    for _ in range(3):
        await desk.load(file)
    assert await desk.receipts() == 1
    assert await desk.all("SELECT ReportVersion FROM InventoryLog") == [("1.0",)]
    assert desk.aside(HINV) == {}


async def test_the_message_id_alone_does_not_make_a_report_known(desk: Desk) -> None:
    await desk.add_client()
    first = inventory("1.0", [disk("C:", 1)])
    second = replace(inventory("1.1", [disk("C:", 2, "Updated")], minutes=1), message_id=first.message_id)
    await desk.load(first, second)
    assert await desk.receipts() == 2


class Died(BaseException):
    """As if the process were killed here."""


class DiesBeforeRemoving(InventoryDataLoader):
    """Commits, and does not live to remove the file."""

    async def finish(self, entries: Sequence[SpoolEntry]) -> None:
        raise Died


class DiesBeforeCommit(InventoryDataLoader):
    """Stores, and does not live to commit."""

    async def store(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
        await super().store(*args, **kwargs)  # type: ignore[arg-type]
        raise Died


@pytest.mark.parametrize(("part", "stored"), [(DiesBeforeRemoving, 1), (DiesBeforeCommit, 0)])
async def test_a_crash_around_the_commit_neither_loses_nor_doubles(
    desk: Desk, part: type[InventoryDataLoader], stored: int
) -> None:
    await desk.add_client()
    await desk.put(inventory("1.0", [disk("C:", 1)]))
    with pytest.raises(Died):
        await desk.component(HINV, part).drain()
    assert await desk.receipts() == stored

    desk.reopen()
    assert len(desk.spool(HINV)) == 1
    await desk.component(HINV).drain()
    assert len(desk.spool(HINV)) == 0
    assert await desk.receipts() == 1
    assert await desk.all("SELECT ReportVersion FROM InventoryLog") == [("1.0",)]


async def test_a_rejected_file_is_aside_even_after_a_crash(desk: Desk) -> None:
    await desk.add_client()
    await desk.put(inventory("1.1", [disk("C:", 1, "Updated")]))
    with pytest.raises(Died):
        await desk.component(HINV, DiesBeforeRemoving).drain()
    desk.reopen()
    await desk.component(HINV).drain()
    assert list(desk.aside(HINV)) == ["BADMIFS/MajorMismatch"]
    assert len(desk.spool(HINV)) == 0
    assert await desk.all("SELECT MessageID FROM StatusMessages") == [(2722,)]


# -- an outage -----------------------------------------------------------------------------


async def test_files_wait_for_the_database_and_are_loaded_in_order(
    desk: Desk, postgres: PostgresServer
) -> None:
    await desk.add_client()
    component = desk.component(HINV)
    await postgres.stop()
    try:
        await desk.put(inventory("1.0", [disk("C:", 0)]))
        with pytest.raises(SiteDatabaseUnavailable):
            await component.drain()
        running = asyncio.create_task(component.run())
        for minor in range(1, 5):
            await desk.put(inventory(f"1.{minor}", [disk("C:", minor, "Updated")], minutes=minor))
        await asyncio.sleep(0.1)
        assert len(desk.spool(HINV)) == 5
    finally:
        await postgres.start()
    await until(lambda: _empty(desk))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    log = await desk.all("SELECT ReportVersion FROM InventoryLog ORDER BY LogID")
    assert log == [(f"1.{minor}",) for minor in range(5)]
    assert desk.aside(HINV) == {}


async def _empty(desk: Desk) -> bool:
    return len(desk.spool(HINV)) == 0


async def test_what_cannot_be_understood_goes_aside_though_the_database_is_away(
    desk: Desk, postgres: PostgresServer
) -> None:
    await postgres.stop()
    try:
        await desk.load(report_file(HINV, "<Report>"))
    finally:
        await postgres.start()
    assert list(desk.aside(HINV)) == ["BADMIFS"]


async def test_a_full_disk_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.add_client()
    component = desk.component(HINV)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    await desk.put(inventory("1.1", [disk("C:", 1, "Updated")]))
    with monkeypatch.context() as patch:
        patch.setattr(component, "lay_copy_aside", full)
        with pytest.raises(OSError, match="No space"):
            await component.drain()
    assert (await desk.receipts(), len(desk.spool(HINV))) == (0, 1)
    await component.drain()
    assert (await desk.receipts(), len(desk.spool(HINV))) == (1, 0)


async def test_an_error_of_the_database_that_passes_is_waited_for(desk: Desk) -> None:
    # Not about the report: here somebody works on the tables.
    await desk.add_client()
    await desk.put(inventory("1.0", [disk("C:", 1)]))
    await desk.database.execute("ALTER TABLE InventoryLog RENAME TO Elsewhere")
    with pytest.raises(Exception, match="does not exist"):
        await desk.component(HINV).drain()
    assert (await desk.receipts(), len(desk.spool(HINV))) == (0, 1)
    await desk.database.execute("ALTER TABLE Elsewhere RENAME TO InventoryLog")
    await desk.component(HINV).drain()
    assert (await desk.receipts(), len(desk.spool(HINV))) == (1, 0)


# -- the queue is not blocked --------------------------------------------------------------

_NUL = "{1\0}"


@pytest.mark.parametrize(
    "bad",
    [
        report_file(HINV, "no XML"),
        report_file(HINV, "<Report/>"),
        report_file(HINV, inventory("1.0").payload.replace(">1.0<", ">first<")),
        report_file(HINV, inventory("1.0").payload.replace(">Full<", ">Half<")),
        report_file(HINV, inventory("1.0").payload, sender="GUID:99999999-2222-4333-8444-555555555555"),
        report_file(HINV, inventory("1.0").payload, message_id=_NUL),
    ],
    ids=["no XML", "no header", "no version", "no type", "another's", "unstorable"],
)
async def test_a_bad_file_goes_aside_and_the_next_is_loaded(desk: Desk, bad: ReportFile) -> None:
    await desk.add_client()
    await desk.load(bad, inventory("1.0", [disk("C:", 1)]))
    [(folder, reason)] = desk.aside(HINV).items()
    assert folder == "BADMIFS"
    assert reason
    assert await desk.all("SELECT ReportVersion FROM InventoryLog") == [("1.0",)]


async def test_a_file_that_somebody_dropped_into_the_folder(desk: Desk) -> None:
    await desk.add_client()
    box = desk.spool(HINV).folder
    (box / "000000000001-dropped.MIF").write_bytes(b"\xff\xfe not ours")
    (box / "000000000002-misplaced.MIF").write_bytes(event("SoftDistProgramStartedEvent").to_bytes())
    (box / "000000000003-gone.MIF").write_bytes(b"")
    desk.reopen()
    (box / "000000000003-gone.MIF").unlink()
    await desk.load(inventory("1.0", [disk("C:", 1)]))
    assert "no report file" in desk.aside(HINV)["BADMIFS"]
    assert "a status report in the inbox for hardware_inventory" in desk.aside(HINV)["BADMIFS"]
    assert await desk.receipts() == 1
