"""Receipts: each report once, however often it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from emulator.protocol.report_file import ReportFile
from emulator.site_database.database import Session


async def receipt(session: Session, file: ReportFile, now: datetime) -> int | None:
    """Record that a report is being loaded; None when it was loaded before.

    Belongs into the transaction that stores the report. A second loader of the same report
    waits here until the first has committed or failed.
    """
    receipt_id: int | None = await session.fetchval(
        "report_receipt", file.message_id, file.sender, file.digest, str(file.kind), file.received, now
    )
    return receipt_id


async def receipts(session: Session, files: Sequence[ReportFile], now: datetime) -> list[int | None]:
    """As ``receipt`` for several reports at once, numbered in their order."""
    rows = await session.fetch(
        "report_receipts",
        [file.message_id for file in files],
        [file.sender for file in files],
        [file.digest for file in files],
        [str(file.kind) for file in files],
        [file.received for file in files],
        now,
    )
    new = {(row["messageid"], row["sender"], row["payloaddigest"]): int(row["receiptid"]) for row in rows}
    # The same report twice among them counts where it comes first.
    return [new.pop((file.message_id, file.sender, file.digest), None) for file in files]
