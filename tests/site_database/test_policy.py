"""Assignments by change number: what is told once, what is told again, and that nothing is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from emulator.errors import PolicyNotFound
from emulator.protocol.policy import PolicyVersion
from emulator.site_database import policy
from emulator.site_database.database import Session, SiteDatabase

NewClient = Callable[[str], Awaitable[tuple[str, int]]]
MAP = "INSERT INTO ResPolicyMap (MachineID, PADBID) VALUES ($1, $2)"
CHANGE = "UPDATE ResPolicyMap SET IsTombstoned = $2, ChangeNumber = nextval('PolicyChange') WHERE PADBID = $1"


@pytest.fixture
def assign(site_database: SiteDatabase, now: datetime) -> Callable[[str], Awaitable[int]]:
    """A policy with one body and an assignment; returns the assignment's number."""

    async def make(policy_id: str) -> int:
        await site_database.execute(
            "INSERT INTO Policy (PolicyID, Version, PolicyCategory, PolicyHash, Body, SourceID)"
            " VALUES ($1, '1.00', 'SoftwareDistribution', 'SHA256:00', $2, 'S0100001')",
            policy_id,
            f"body of {policy_id}".encode(),
        )
        padbid: int = await site_database.fetchval(
            "INSERT INTO PolicyAssignment (PolicyAssignmentID, PolicyID, Version, LastUpdateTime)"
            " VALUES ($1, $2, '1.00', $3) RETURNING PADBID",
            f"assignment of {policy_id}",
            policy_id,
            now,
        )
        return padbid

    return make


Assign = Callable[[str], Awaitable[int]]


async def told(db: SiteDatabase | Session, smsid: str, after: int) -> tuple[list[tuple[str, str]], int]:
    assigned, newest, _ = await policy.assignments_for(db, smsid, after)
    return [(a.policy.to_query(), a.action) for a in assigned], newest


async def test_a_client_is_told_of_each_change_once(
    site_database: SiteDatabase, new_client: NewClient, assign: Assign
) -> None:
    smsid, machine = await new_client("PC01")
    _, other = await new_client("PC02")
    assert await told(site_database, smsid, 0) == ([], 0)
    first, second = await assign("{A}"), await assign("{B}")
    await site_database.execute(MAP, machine, first)
    await site_database.execute(MAP, other, second)
    assigned, newest = await told(site_database, smsid, 0)
    assert assigned == [("{A}.1_00", "")]
    assert await told(site_database, smsid, newest) == ([], newest)
    await site_database.execute(MAP, machine, second)
    assert (await told(site_database, smsid, newest))[0] == [("{B}.1_00", "")]
    assert (await told(site_database, smsid, 0))[0] == [("{A}.1_00", ""), ("{B}.1_00", "")]


async def test_a_withdrawn_assignment_is_told_to_those_who_had_it(
    site_database: SiteDatabase, new_client: NewClient, assign: Assign
) -> None:
    smsid, machine = await new_client("PC01")
    padbid = await assign("{A}")
    await site_database.execute(MAP, machine, padbid)
    _, before = await told(site_database, smsid, 0)
    await site_database.execute(CHANGE, padbid, True)
    withdrawn, newest = await told(site_database, smsid, before)
    assert withdrawn == [("{A}.1_00", "delete")]
    assert newest > before
    assert await told(site_database, smsid, 0) == ([], newest)


async def test_an_unknown_client_has_no_assignments(site_database: SiteDatabase) -> None:
    assert await told(site_database, "GUID:NOBODY", 0) == ([], 0)


async def test_a_change_that_commits_late_is_not_skipped(
    site_database: SiteDatabase, new_client: NewClient, assign: Assign
) -> None:
    smsid, machine = await new_client("PC01")
    slow, quick = await assign("{SLOW}"), await assign("{QUICK}")
    async with site_database.transaction() as session:
        await session.execute(MAP, machine, slow)  # takes its number now, commits later
        overtaking = asyncio.create_task(site_database.execute(MAP, machine, quick))
        await asyncio.wait([overtaking], timeout=0.1)
        seen, cookie = await told(site_database, smsid, 0)
    await overtaking
    later, _ = await told(site_database, smsid, cookie)
    assert {name for name, _ in seen + later} == {"{SLOW}.1_00", "{QUICK}.1_00"}


async def test_bodies_by_id_and_version(site_database: SiteDatabase, assign: Assign) -> None:
    await assign("{A}")
    assert (await policy.stored_policy(site_database, PolicyVersion("{A}", "1.00"))).body == b"body of {A}"
    for wrong in (PolicyVersion("{A}", "2.00"), PolicyVersion("{B}", "1.00")):
        with pytest.raises(PolicyNotFound):
            await policy.stored_policy(site_database, wrong)
