"""A computer's place in its domain: kept until something else is told, and not written for nothing."""

from __future__ import annotations

from emulator.site_database import directory
from emulator.site_database.database import SiteDatabase
from emulator.site_database.directory import DirectoryData

COLUMNS = "SMS_Installed_Sites0, User_Domain0, Full_Domain_Name0, Primary_Group_ID0, xmin::text"


async def test_what_is_left_out_stays(site_database: SiteDatabase) -> None:
    resource = await site_database.fetchval(
        "INSERT INTO System_DISC (Name0, Netbios_Name0, Creation_Date0) VALUES ('PC1', 'PC1', now())"
        " RETURNING ItemKey"
    )
    full = DirectoryData(installed_sites=("S01",), user_domain="LAB", primary_group_id=515)
    seen = []
    for data in (full, DirectoryData(), full, DirectoryData(full_domain_name="LAB.TEST")):
        async with site_database.transaction() as session:
            await directory.store(session, resource, data)
        seen.append(tuple(await site_database.fetchrow(f"SELECT {COLUMNS} FROM System_DISC") or ()))
    # The same told again leaves the very row: its writing transaction is the first one's.
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][:4] == (["S01"], "LAB", None, 515)
    assert seen[3][:4] == (["S01"], "LAB", "LAB.TEST", 515)
