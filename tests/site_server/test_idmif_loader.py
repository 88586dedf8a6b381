"""IDMIF: a full report replaces, a delta changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from tests.site_server.reporting import Desk, idmif


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


async def held(desk: Desk) -> dict[str, dict[str, str]]:
    rows = await desk.all("SELECT InstanceKey, Properties FROM v_GS_IDMIF")
    return {key: json.loads(properties) for key, properties in rows}


@pytest.mark.proves("reports.idmif")
async def test_full_and_delta(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(idmif("1.0", {"Speed": "9600"}))
    assert await held(desk) == {"COM1": {"Speed": "9600"}}
    await desk.load(idmif("1.1", {"Speed": "19200"}, "Updated"))
    assert await held(desk) == {"COM1": {"Speed": "19200"}}
    await desk.load(idmif("1.2", {}, "Deleted"))
    assert await held(desk) == {}
    await desk.load(idmif("1.3", {"Speed": "1"}), idmif("2.0", {"Speed": "2"}))
    assert await held(desk) == {"COM1": {"Speed": "2"}}


async def test_an_unknown_machine(desk: Desk) -> None:
    await desk.load(idmif("1.0", {"Speed": "9600"}))
    assert "BADMIFS/InvalidMachine" in desk.aside(ReportKind.IDMIF)
