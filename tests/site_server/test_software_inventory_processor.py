"""Software inventory: the rules of hardware inventory, with files."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from tests.site_server.reporting import Desk, disk, exe, inventory

HINV, SINV = ReportKind.HARDWARE_INVENTORY, ReportKind.SOFTWARE_INVENTORY


@pytest.fixture
async def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    desk = Desk(tmp_path, site_database)
    await desk.add_client()
    return desk


async def status(desk: Desk) -> tuple[object, ...]:
    [row] = await desk.all(
        "SELECT LastReportVersion, ResyncRequested, LastSWReportVersion, SWResyncRequested"
        " FROM WorkstationStatus_DATA"
    )
    return row


async def test_software_inventory_follows_the_same_rules(desk: Desk) -> None:
    await desk.load(
        inventory("1.0", [exe("a.exe"), exe("b.exe"), disk("C:", 1)], kind=SINV),
        inventory(
            "1.1", [exe("a.exe", "2.0", "Updated"), exe("b.exe", content="Deleted")], kind=SINV, minutes=1
        ),
        inventory("1.3", [exe("c.exe")], kind=SINV, minutes=3),
    )
    assert await desk.all("SELECT FilePath, FileName, FileVersion, FileSize FROM SoftwareFile") == [
        ("C:\\Tools\\", "a.exe", "2.0", 4096)
    ]
    assert list(desk.aside(SINV)) == ["badsinv/DeltaMismatch"]
    assert await status(desk) == ("0.0", False, "1.1", True)

    await desk.load(inventory("2.0", [exe("c.exe")], kind=SINV, minutes=4))
    assert await desk.all("SELECT FileName FROM SoftwareFile") == [("c.exe",)]
    assert await status(desk) == ("0.0", False, "2.0", False)
    # 2722 is about hardware inventory only.
    assert await desk.all("SELECT MessageID FROM StatusMessages") == []


async def test_a_deleted_file_that_is_not_held(desk: Desk) -> None:
    await desk.load(
        inventory("1.0", [exe("a.exe")], kind=SINV),
        inventory("1.1", [exe("b.exe", content="Deleted")], kind=SINV, minutes=1),
    )
    assert list(desk.aside(SINV)) == ["badsinv/NonExistentRow"]


@pytest.mark.parametrize(("found", "put"), [("<Size>4096<", "<Size>much<"), ("<Name>a.exe<", "<Name><")])
async def test_a_file_that_is_none(desk: Desk, found: str, put: str) -> None:
    file = inventory("1.0", [exe("a.exe")], kind=SINV)
    bad = type(file)(file.kind, file.message_id, file.sender, file.payload.replace(found, put), file.received)
    await desk.load(bad)
    assert list(desk.aside(SINV)) == ["badsinv"]
