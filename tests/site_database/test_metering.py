from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from emulator.protocol.metering import Usage
from emulator.site_database import metering
from emulator.site_database.database import Session, SiteDatabase


async def test_a_use_is_kept_once_with_its_latest_end(
    site_database: SiteDatabase,
    new_client: Callable[[str], Awaitable[tuple[str, int]]],
    receipt: Callable[[Session], Awaitable[int]],
    now: datetime,
) -> None:
    _, machine = await new_client("PC01")
    use = Usage("{1}", "LAB\\ann", "7-Zip", "7zFM.exe", now, now + timedelta(minutes=5))
    longer = replace(use, end=now + timedelta(minutes=9))
    for usages in ([], [use, use], [longer], [use], [replace(use, meter_data_id="{2}")]):
        async with site_database.transaction() as session:
            await metering.store(session, await receipt(session), machine, usages)
    rows = await site_database.fetch("SELECT MeterDataID, EndTime FROM v_MeterData ORDER BY MeterDataID")
    assert [tuple(row) for row in rows] == [("{1}", longer.end), ("{2}", use.end)]
