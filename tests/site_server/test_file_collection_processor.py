"""Collected files: every collection is kept, each report once."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from tests.site_server.reporting import NOON, Desk, collected

KIND = ReportKind.FILE_COLLECTION


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


@pytest.mark.proves("reports.file_collection")
async def test_every_collection_is_a_revision(desk: Desk) -> None:
    await desk.add_client()
    first, second = collected(), collected("5", b"three", "{2}")
    await desk.load(first, second, first, collected(content=None, message_id="{3}"))
    assert await desk.all(
        "SELECT FilePath, FileName, RevisionID, FileSize, Content, CollectionDate FROM CollectedFiles"
        " ORDER BY RevisionID"
    ) == [
        ("C:\\", "boot.ini", 1, 3, b"one", NOON),
        ("C:\\", "boot.ini", 2, 5, b"three", NOON),
        ("C:\\", "boot.ini", 3, 3, None, NOON),
    ]
    assert await desk.all("SELECT HasContent FROM v_GS_CollectedFile ORDER BY RevisionID") == [
        (True,),
        (True,),
        (False,),
    ]


async def test_what_cannot_be_loaded(desk: Desk) -> None:
    await desk.load(collected())
    assert "badsinv/InvalidMachine" in desk.aside(KIND)
    await desk.add_client()
    await desk.load(collected("many", message_id="{2}"))
    assert "Size" in desk.aside(KIND)["badsinv"]
    assert await desk.receipts() == 0
