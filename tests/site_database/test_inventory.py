from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from emulator.protocol.report import Instance, ReportHeader
from emulator.site_database import inventory
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_database.inventory import LastReport

NewClient = Callable[[str], Awaitable[tuple[str, int]]]


def disk(key: str, size: str, content: str = "New") -> Instance:
    return Instance("Win32_LogicalDisk", "root\\cimv2", content, {"Size": size}, key)


async def disks(db: SiteDatabase) -> dict[str, tuple[str, int]]:
    rows = await db.fetch("SELECT InstanceKey, Properties, RevisionID FROM v_GS_Inventory")
    return {r["instancekey"]: (json.loads(r["properties"])["Size"], r["revisionid"]) for r in rows}


async def history(db: SiteDatabase) -> list[tuple[str, str]]:
    rows = await db.fetch("SELECT InstanceKey, Properties FROM Inventory_HIST ORDER BY InstanceKey")
    return [(r["instancekey"], json.loads(r["properties"])["Size"]) for r in rows]


@pytest.fixture
async def machine(new_client: NewClient) -> int:
    return (await new_client("PC01"))[1]


async def test_a_full_report_leaves_what_it_names(
    site_database: SiteDatabase, machine: int, now: datetime
) -> None:
    async with site_database.transaction() as session:
        await inventory.replace(session, machine, [disk("C:", "100"), disk("D:", "200")], now)
    async with site_database.transaction() as session:
        later = now + timedelta(days=7)
        await inventory.replace(session, machine, [disk("C:", "100"), disk("E:", "300")], later)
    assert await disks(site_database) == {"C:": ("100", 1), "E:": ("300", 1)}
    assert await history(site_database) == [("D:", "200")]


async def test_a_delta_adds_changes_and_deletes(
    site_database: SiteDatabase, machine: int, now: datetime
) -> None:
    delta = [disk("C:", "150", "Updated"), disk("D:", "", "Deleted"), disk("E:", "300")]
    async with site_database.transaction() as session:
        await inventory.replace(session, machine, [disk("C:", "100"), disk("D:", "200")], now)
        assert await inventory.apply_delta(session, machine, delta, now) == []
    assert await disks(site_database) == {"C:": ("150", 2), "E:": ("300", 1)}
    assert await history(site_database) == [("C:", "100"), ("D:", "200")]


async def test_a_delta_about_what_the_site_does_not_have_changes_nothing(
    site_database: SiteDatabase, machine: int, now: datetime
) -> None:
    delta = [disk("C:", "150", "Updated"), disk("Z:", "1", "Updated"), disk("E:", "300")]
    async with site_database.transaction() as session:
        await inventory.replace(session, machine, [disk("C:", "100")], now)
        missing = await inventory.apply_delta(session, machine, delta, now)
    assert missing == [("Win32_LogicalDisk", "Z:")]
    assert await disks(site_database) == {"C:": ("100", 1)}


async def test_of_two_instances_with_one_key_the_later_counts(
    site_database: SiteDatabase, machine: int, now: datetime
) -> None:
    async with site_database.transaction() as session:
        await inventory.replace(session, machine, [disk("C:", "1"), disk("C:", "2")], now)
        delta = [disk("C:", "3", "Updated"), disk("C:", "4", "Updated")]
        assert await inventory.apply_delta(session, machine, delta, now) == []
    assert await disks(site_database) == {"C:": ("4", 2)}


async def test_an_empty_full_report_clears(site_database: SiteDatabase, machine: int, now: datetime) -> None:
    async with site_database.transaction() as session:
        await inventory.replace(session, machine, [disk("C:", "1")], now)
        await inventory.replace(session, machine, [], now)
    assert await disks(site_database) == {}


async def test_the_last_report_is_remembered_and_a_full_one_answers_a_resync(
    site_database: SiteDatabase,
    machine: int,
    now: datetime,
    header: Callable[..., ReportHeader],
    receipt: Callable[[Session], Awaitable[int]],
) -> None:
    steps: list[tuple[ReportHeader, bool]] = [
        (header("1.0"), False),
        (header("1.1", "Delta", days=1), True),
        (header("2.0", "Full", days=2), False),
    ]
    async with site_database.transaction() as session:
        assert await inventory.begin(session, machine, "Hardware") == LastReport("0.0", None, False)
        await inventory.loaded(session, await receipt(session), machine, "Hardware", steps[0][0], now)
        await inventory.request_resync(session, machine, "Hardware")
        for report, asked in steps[1:]:
            await inventory.loaded(session, await receipt(session), machine, "Hardware", report, now)
            last = await inventory.begin(session, machine, "Hardware")
            assert last == LastReport(report.version, report.date, asked)
        assert await inventory.begin(session, machine, "Software") == LastReport("0.0", None, False)
        rows = await session.fetch("SELECT ReportVersion FROM InventoryLog ORDER BY LogID")
    assert [row["reportversion"] for row in rows] == ["1.0", "1.1", "2.0"]
