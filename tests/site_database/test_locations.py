from __future__ import annotations

from dataclasses import replace

import pytest

from emulator.site_database.database import SiteDatabase
from emulator.site_database.locations import InstalledContent, content_locations

NAL = '["Display=\\\\DP1\\"]MSWNET:["SMS_SITE=S01"]\\\\DP1\\'
URL = "http://127.0.0.3:8080/SMS_DP_SMSPKG$/S0100001.2"

PLACE = InstalledContent(
    nal_path=NAL,
    url=URL,
    server="DP1",
    server_remote_name="dp1.lab.test",
    version=2,
    package_flags=16777216,
)
INSTALLED = [
    "INSERT INTO SysResList (NALPath, RoleName, ServerName, ServerRemoteName, SiteCode)"
    f" VALUES ('{NAL}', 'SMS Distribution Point', 'DP1', 'dp1.lab.test', 'S01')",
    "INSERT INTO SMSPackages (PkgID, Name, SourceSite, SourceDate)"
    " VALUES ('S0100001', '7-Zip', 'S01', now())",
    f"INSERT INTO PkgServers (PkgID, NALPath, SiteCode, Action) VALUES ('S0100001', '{NAL}', 'S01', 0)",
    "INSERT INTO PkgStatus (ID, PkgServer, SiteCode, Status, SourceVersion, HTTPUrl, UpdateTime)"
    f" VALUES ('S0100001', '{NAL}', 'S01', 3, 2, '{URL}', now())",
]


async def test_the_newest_version_and_its_hash(site_database: SiteDatabase) -> None:
    for statement in INSTALLED:
        await site_database.execute(statement)
    assert await content_locations(site_database, "S0100001", 0) == []
    await site_database.execute("UPDATE SMSPackages SET StoredPkgVersion = 2, PkgSourceHash = 'SHA256:AB'")
    newest = [replace(PLACE, content_hash="SHA256:AB")]
    assert await content_locations(site_database, "S0100001", 0) == newest
    await site_database.execute("UPDATE SMSPackages SET StoredPkgVersion = 3, PkgSourceHash = 'SHA256:CD'")
    assert await content_locations(site_database, "S0100001", 2) == [PLACE]  # the hash is another version's


@pytest.mark.parametrize(
    ("meanwhile", "package", "version", "found"),
    [
        ("", "S0100001", 2, True),
        ("", "S0100001", 1, False),
        ("", "S0100002", 2, False),
        ("", "S0100001", 10**12, False),
        ("", "S0100001", -1, False),
        ("UPDATE PkgStatus SET Status = 1", "S0100001", 2, False),  # being sent
        ("UPDATE PkgServers SET Action = 3", "S0100001", 2, False),  # to be removed
        ("UPDATE PkgServers SET Action = 1", "S0100001", 2, True),  # to be refreshed
        ("DELETE FROM SysResList", "S0100001", 2, False),  # no such site system any more
    ],
)
async def test_only_installed_wanted_and_of_this_version(
    site_database: SiteDatabase, meanwhile: str, package: str, version: int, found: bool
) -> None:
    for statement in [*INSTALLED, *([meanwhile] if meanwhile else [])]:
        await site_database.execute(statement)
    expected = [PLACE] if found else []
    assert await content_locations(site_database, package, version) == expected
