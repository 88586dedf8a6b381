"""Software metering: which programs ran, when, and for whom."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.protocol.metering import Usage
from emulator.site_database.database import Session


async def store(session: Session, receipt_id: int, machine_id: int, usages: Iterable[Usage]) -> None:
    """Store the uses of one report."""
    last = {usage.meter_data_id: usage for usage in usages}
    rows = [
        (u.meter_data_id, u.user_name, u.product_name, u.file_name, u.start, u.end, u.status)
        for u in last.values()
    ]
    if rows:
        columns = zip(*rows, strict=True)
        await session.execute("metering_store", machine_id, receipt_id, *map(list, columns))
