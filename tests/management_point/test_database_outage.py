"""The database row of the failure table at the management point, in every way a database can be away."""

from __future__ import annotations

import asyncio
from typing import Any

from emulator.protocol.location import ContentLocationRequest

ONE = "{11111111-1111-4111-8111-111111111111}"
TWO = "{22222222-2222-4222-8222-222222222222}"
STATUS = (
    '<Status SchemaVersion="1.0"><Type>SoftDistProgramStartedEvent</Type><Properties/>'
    '<Qualifiers><Qualifier Name="Time">20090601080000.000000+000</Qualifier></Qualifiers></Status>'
)
LOCATION = ContentLocationRequest("S0100001", 1, "S01").to_xml()


async def test_what_works_and_what_does_not(lab: Any, client: Any, stranger: Any, outage: Any) -> None:
    await lab.database.assign(client.smsid, ONE)
    await lab.database.assign(client.smsid, TWO)
    await lab.restart(database_timeout=2.0)
    cached = (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body

    # the database goes away.
    await outage.begin(lab.database)

    # expect: what needs it is refused, with the reason.
    refused = await asyncio.gather(
        client.ask_policy(),
        client.post("MP_LocationManager", LOCATION),
        stranger.register(),
        lab.get("/SMS_MP/.sms_aut?MPLIST"),
        lab.get(f"/SMS_MP/.sms_pol?{TWO}.1_00"),
    )
    assert [reply.status for reply in refused] == [500] * 5
    assert all(b"site database" in reply.body for reply in refused)

    # expect: a cached body is served, a report accepted and passed on, neither waiting for a timeout.
    async with asyncio.timeout(20):
        assert (await lab.get(f"/SMS_MP/.sms_pol?{ONE}.1_00")).body == cached
        assert (await client.post("StatusReceiver", STATUS)).status == 200
    await lab.until(lambda: lab.inboxes.taken)

    # it comes back: everything works at once.
    await outage.end(lab.database)
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200
    assert (await client.ask_policy()).status == 200
    assert (await stranger.register()).status == 200
    assert (await lab.get(f"/SMS_MP/.sms_pol?{TWO}.1_00")).status == 200
