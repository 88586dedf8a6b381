from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from emulator.errors import UnknownClient
from emulator.site_database import resources
from emulator.site_database.database import SiteDatabase
from emulator.site_database.resources import DiscoveryData

SMSID = "GUID:10000000-0000-4000-8000-000000000000"


@pytest.fixture
def data(now: datetime) -> DiscoveryData:
    return DiscoveryData(
        smsid=SMSID, name="PC01", netbios_name="PC01", domain="LAB", ip_addresses=("10.0.0.1",), time=now
    )


async def test_an_unknown_computer_is_discovered(site_database: SiteDatabase, data: DiscoveryData) -> None:
    assert await resources.find(site_database, SMSID) is None
    with pytest.raises(UnknownClient, match=SMSID):
        await resources.resource_of(site_database, SMSID)
    async with site_database.transaction() as session:
        assert await resources.merge_discovery(session, data) == (16777217, True)
    assert await resources.find(site_database, SMSID) == 16777217


async def test_newer_data_replaces_and_what_it_leaves_out_stays(
    site_database: SiteDatabase, data: DiscoveryData
) -> None:
    newer = replace(data, name="PC02", domain=None, ip_addresses=(), time=data.time + timedelta(days=1))
    async with site_database.transaction() as session:
        await resources.merge_discovery(session, data)
        await resources.merge_discovery(session, newer)
        assert (await resources.merge_discovery(session, data))[1] is False  # held back somewhere
    row = await site_database.fetchrow(
        "SELECT Name0, Resource_Domain_OR_Workgr0, IP_Addresses0 FROM System_DISC"
    )
    assert row
    assert tuple(row) == ("PC02", "LAB", [])
