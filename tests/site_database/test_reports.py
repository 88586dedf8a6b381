"""A report once: by message id, sender and payload together, however many loaders there are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import reports
from emulator.site_database.database import SiteDatabase


@pytest.fixture
def report(now: datetime) -> ReportFile:
    return ReportFile(ReportKind.STATE, "{1}", "GUID:X", "<Report/>", now)


async def load(db: SiteDatabase, report: ReportFile, now: datetime) -> int | None:
    async with db.transaction() as session:
        return await reports.receipt(session, report, now)


async def test_the_same_report_again_has_no_receipt(
    site_database: SiteDatabase, report: ReportFile, now: datetime
) -> None:
    assert await load(site_database, report, now) is not None
    assert await load(site_database, report, now) is None


@pytest.mark.parametrize("other", [{"message_id": "{2}"}, {"sender": "GUID:Y"}, {"payload": "<Other/>"}])
async def test_another_id_sender_or_payload_is_another_report(
    site_database: SiteDatabase, report: ReportFile, now: datetime, other: dict[str, str]
) -> None:
    await load(site_database, report, now)
    assert await load(site_database, replace(report, **other), now) is not None


async def test_loaders_at_the_same_time(
    site_database: SiteDatabase, report: ReportFile, now: datetime
) -> None:
    receipts = await asyncio.gather(*(load(site_database, report, now) for _ in range(5)))
    assert sum(r is not None for r in receipts) == 1


async def test_a_load_that_failed_leaves_no_receipt(
    site_database: SiteDatabase, report: ReportFile, now: datetime
) -> None:
    async def fail() -> None:
        async with site_database.transaction() as session:
            await reports.receipt(session, report, now)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await load(site_database, report, now) is not None
