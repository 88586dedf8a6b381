from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from emulator.site_database import status
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_database.status import OfferStatus, StatusRecord


async def test_a_message_with_its_strings_and_attributes(
    site_database: SiteDatabase, receipt: Callable[[Session], Awaitable[int]], now: datetime
) -> None:
    record = StatusRecord(
        message_id=10009,
        time=now,
        component="Software Distribution",
        machine="PC01",
        site_code="S01",
        strings=("7-Zip", "S0100001"),
        attributes={401: "S0100003"},
    )
    async with site_database.transaction() as session:
        number = await status.store(session, record, await receipt(session))
        await status.store(session, replace(record, strings=(), attributes={}, module="SMS Server"))
    rows = await site_database.fetch("SELECT InsStrValue FROM v_StatMsgInsStrings ORDER BY InsStrIndex")
    assert [row["insstrvalue"] for row in rows] == ["7-Zip", "S0100001"]
    row = await site_database.fetchrow(
        "SELECT RecordID, AttributeID, AttributeValue FROM v_StatMsgAttributes"
    )
    assert row
    assert tuple(row) == (number, 401, "S0100003")
    assert await site_database.fetchval("SELECT count(*) FROM v_StatusMessage") == 2


async def test_an_offers_state_follows_time_and_every_run_counts(
    site_database: SiteDatabase, new_client: Callable[[str], Awaitable[tuple[str, int]]], now: datetime
) -> None:
    _, machine = await new_client("PC01")
    accepted = OfferStatus(
        advertisement_id="S0100003", state=8, state_name="Accepted", message_id=10002, time=now
    )
    failed, succeeded = (
        replace(
            accepted,
            state=state,
            state_name=name,
            message_id=message,
            time=now + timedelta(hours=hours),
            result=result,
            completed=True,
        )
        for state, name, message, hours, result in (
            (11, "Failed", 10006, 1, "1603"),
            (13, "Succeeded", 10009, 2, "0"),
        )
    )
    async with site_database.transaction() as session:
        for message in (accepted, succeeded, failed):  # the failure arrives late
            await status.store_offer_status(session, machine, message)
    row = await site_database.fetchrow("SELECT * FROM v_ClientAdvertisementStatus")
    assert row
    assert (row["laststatename"], row["laststatusmessageid"]) == ("Succeeded", 10009)
    assert (row["lastexecutionresult"], row["runs"]) == ("0", 2)
