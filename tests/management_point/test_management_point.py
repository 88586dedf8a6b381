"""The role as a whole: starting, stopping, and its parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emulator.errors import CannotStart
from emulator.management_point.management_point import ManagementPoint
from emulator.management_point.policy_manager import PolicyManager
from emulator.protocol.policy import PolicyVersion, StoredPolicy


async def test_it_starts_while_the_database_is_away(lab: Any, stranger: Any) -> None:
    await lab.database.away()
    await lab.restart()
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 500
    assert (await stranger.register()).status == 500
    await lab.database.back()
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200
    assert (await stranger.register()).status == 200


async def test_it_starts_when_nothing_answers_at_the_database(lab: Any) -> None:
    await lab.restart(database="postgresql://postgres@127.0.0.1:1/smsdb")
    reply = await lab.get("/SMS_MP/.sms_aut?MPLIST")
    assert (reply.status, b"site database cannot be reached" in reply.body) == (500, True)


async def test_it_needs_to_know_a_database(lab: Any) -> None:
    with pytest.raises(CannotStart, match="no site database"):
        await lab.restart(database=None)


async def test_a_port_in_use_is_said(lab: Any) -> None:
    with pytest.raises(CannotStart, match="cannot be opened"):
        await ManagementPoint(lab.settings).start()


async def test_a_folder_that_cannot_be_written_is_said(lab: Any) -> None:
    data = lab.settings.data.parent / "file"
    data.write_text("not a folder")
    with pytest.raises(CannotStart, match="cannot be written"):
        await lab.restart(data=data)


async def test_many_clients_at_once(lab: Any, client: Any) -> None:
    replies = await asyncio.gather(*(client.ask_policy() for _ in range(50)))
    assert {reply.status for reply in replies} == {200}


async def test_a_part_can_be_replaced(lab: Any) -> None:
    class Forgetful(PolicyManager):
        async def stored(self, policy: PolicyVersion) -> StoredPolicy:
            return StoredPolicy(b"another body")

    class Sabotaged(ManagementPoint):
        def make_policy_manager(self) -> PolicyManager:
            return Forgetful(self.smsdbrole, self.policy_cache, self.authentication, self.settings.site_code)

    await lab.restart(Sabotaged)
    assert (await lab.get("/SMS_MP/.sms_pol?{x}.1_00")).body == b"another body"
