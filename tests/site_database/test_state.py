from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from emulator.protocol.state import StateMessage
from emulator.site_database import state
from emulator.site_database.database import Session, SiteDatabase


async def test_a_state_message_is_kept_once_and_a_client_set_up_anew_counts_again(
    site_database: SiteDatabase,
    new_client: Callable[[str], Awaitable[tuple[str, int]]],
    receipt: Callable[[Session], Awaitable[int]],
    now: datetime,
) -> None:
    _, machine = await new_client("PC01")
    first = StateMessage(1, now, 300, "{update}", 2, "")
    second = replace(first, serial=2, state_id=3)
    anew = replace(first, time=now + timedelta(days=1))
    for messages in ([first, first], [first, second], [], [anew]):
        async with site_database.transaction() as session:
            await state.store(session, await receipt(session), machine, messages)
    rows = await site_database.fetch(
        "SELECT SerialNumber, StateID FROM v_StateMessage ORDER BY MessageTime, SerialNumber"
    )
    assert [tuple(row) for row in rows] == [(1, 2), (2, 3), (1, 2)]
