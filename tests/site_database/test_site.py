from __future__ import annotations

import pytest

from emulator.errors import ObjectNotFound
from emulator.site_database.database import SiteDatabase
from emulator.site_database.site import site_info


async def test_the_site_tells_version_and_build(site_database: SiteDatabase) -> None:
    info = await site_info(site_database, "S01")
    assert (info.site_code, info.name, info.build_number) == ("S01", "Test site", 6487)
    with pytest.raises(ObjectNotFound, match="no site S99"):
        await site_info(site_database, "S99")
