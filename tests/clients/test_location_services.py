from __future__ import annotations

import pytest

from clients.client import SimulatedClient
from emulator.errors import ManagementPointUnavailable
from tests.clients.fake_management_point import FakeSite


async def test_locations_are_asked_for_each_time(client: SimulatedClient, site: FakeSite) -> None:
    site.mp.locations = [site.dp.url, site.dp2.url]
    for _ in range(2):
        reply = await client.location_services.content_locations("S0100001", 3)
        assert [location.url for location in reply.locations] == [
            f"{site.dp.url}/SMS_DP_SMSPKG$/S0100001.3",
            f"{site.dp2.url}/SMS_DP_SMSPKG$/S0100001.3",
        ]
    assert site.mp.requests.count("MP_LocationManager") == 2


async def test_a_refusal_is_passed_on(client: SimulatedClient, site: FakeSite) -> None:
    site.mp.failing["MP_LocationManager"] = 500
    with pytest.raises(ManagementPointUnavailable, match="HTTP 500"):
        await client.location_services.content_locations("S0100001", 3)
