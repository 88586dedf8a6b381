"""State messages, one row each: a client numbers them, so one that comes twice is known."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.protocol.state import StateMessage
from emulator.site_database.database import Session


async def store(session: Session, receipt_id: int, machine_id: int, messages: Iterable[StateMessage]) -> None:
    """Store the state messages of one report (the product's spProcessStateReport)."""
    rows = [(m.serial, m.topic_type, m.topic_id, m.state_id, m.details, m.time) for m in messages]
    if rows:
        columns = zip(*rows, strict=True)
        await session.execute("state_store", machine_id, receipt_id, *map(list, columns))
