"""Software metering: a usage is one row, however often it is reported."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from emulator.protocol.metering import STILL_RUNNING
from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from tests.site_server.reporting import NOON, Desk, metering, report_file, usage

SWM = ReportKind.METERING


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


async def test_usages_are_stored(desk: Desk) -> None:
    machine = await desk.add_client()
    await desk.load(metering(usage("{a}", 5), usage("{b}", 7)))
    assert await desk.all(
        "SELECT MachineID, MeterDataID, UserName, ProductName, FileName, StartTime, EndTime, Status"
        " FROM MeterData ORDER BY MeterDataID"
    ) == [
        (machine, "{a}", "LAB\\u", "Word", "winword.exe", NOON, NOON + timedelta(minutes=5), 0),
        (machine, "{b}", "LAB\\u", "Word", "winword.exe", NOON, NOON + timedelta(minutes=7), 0),
    ]


async def test_a_usage_that_ran_on_is_completed(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(
        metering(usage("{a}", 5, STILL_RUNNING), message_id="{1}"),
        metering(usage("{a}", 9), message_id="{2}"),
    )
    assert await desk.all("SELECT EndTime, Status FROM MeterData") == [(NOON + timedelta(minutes=9), 0)]
    assert await desk.receipts() == 2


async def test_an_empty_report_is_a_report(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(metering())
    assert await desk.receipts() == 1


async def test_bad_files_and_unknown_machines_go_aside(desk: Desk) -> None:
    await desk.load(
        report_file(SWM, "<Report/>"),
        metering(usage("{a}", 5)),
    )
    reasons = desk.aside(SWM)
    assert list(reasons) == ["corrupt"]
    assert "no resource" in reasons["corrupt"]
    assert await desk.receipts() == 0


async def test_a_number_too_large_for_the_database_does_not_block(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(
        metering(usage("{a}", 5, status=2**40), message_id="{1}"), metering(usage("{b}", 5), message_id="{2}")
    )
    assert list(desk.aside(SWM)) == ["corrupt"]
    assert await desk.all("SELECT MeterDataID FROM MeterData") == [("{b}",)]
    assert await desk.receipts() == 1
