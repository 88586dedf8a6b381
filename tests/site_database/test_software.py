from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from emulator.site_database import software
from emulator.site_database.database import SiteDatabase
from emulator.site_database.software import File


@pytest.fixture
async def machine(new_client: Callable[[str], Awaitable[tuple[str, int]]]) -> int:
    return (await new_client("PC01"))[1]


async def files(db: SiteDatabase) -> dict[str, int]:
    return {r["filename"]: r["filesize"] for r in await db.fetch("SELECT * FROM v_GS_SoftwareFile")}


def file(name: str, size: int = 1) -> File:
    return File("C:\\Tools", name, size=size)


async def test_a_full_report_replaces_and_a_delta_changes(site_database: SiteDatabase, machine: int) -> None:
    async with site_database.transaction() as session:
        await software.replace_files(session, machine, [file("gone.exe")])
        await software.replace_files(session, machine, [file("a.exe"), file("b.exe"), file("b.exe", 2)])
    assert await files(site_database) == {"a.exe": 1, "b.exe": 2}
    async with site_database.transaction() as session:
        assert await software.apply_delta(session, machine, [file("b.exe", 9)], [file("a.exe")]) == []
    assert await files(site_database) == {"b.exe": 9}


async def test_a_delta_about_a_file_the_site_does_not_have_changes_nothing(
    site_database: SiteDatabase, machine: int
) -> None:
    async with site_database.transaction() as session:
        await software.replace_files(session, machine, [])
        missing = await software.apply_delta(session, machine, [file("a.exe")], [file("x.exe")])
    assert missing == [("C:\\Tools", "x.exe")]
    assert await files(site_database) == {}
