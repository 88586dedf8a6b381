"""Putting a policy into the site database: its next version, its assignment, its withdrawal.

A policy is known by what it was made from (SourceID); its id follows from that, so that making
it twice gives the same one. Every change of an assignment takes a new number from
PolicyChange: that is what a client's cookie counts. One component writes here, one transaction at a
time, so numbers become visible in their order.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import policy_hash, policy_hash_sha1
from emulator.site_database.database import Record, Session

NAMESPACE = uuid.UUID("6f2d9c1e-5b0a-4c55-9d6e-0d1c5c2f8a41")  # any will do; it must stay the same
FIRST_VERSION = "1.00"


@dataclass(frozen=True, slots=True)
class Source:
    """What a policy is made from, and in which category it goes."""

    source_id: str
    category: str
    site_code: str
    flags: int = 0
    priority: int = 25
    condition: str = ""  # of the assignment, as XML
    named: str = ""  # the policy's id, where it is not made from the source

    @property
    def policy_id(self) -> str:
        return self.named or self.guid

    @property
    def guid(self) -> str:
        """The policy's id as it is made from its source."""
        return self._guid("policy")

    def is_as(self, row: Record) -> bool:
        """Whether the published policy has the properties of this source beside its body."""
        held = row["policycategory"], row["policyflags"], row["policypriority"], row["condition"]
        return held == (self.category, self.flags, self.priority, self.condition)

    @property
    def assignment_id(self) -> str:
        return self._guid("assignment")

    def _guid(self, noun: str) -> str:
        return f"{{{uuid.uuid5(NAMESPACE, f'{self.site_code}/{noun}/{self.source_id}')}}}".upper()


@dataclass(frozen=True, slots=True)
class Publication:
    """An assignment as it now stands."""

    assignment: int  # PADBID
    policy: PolicyVersion
    new: bool  # this version was made just now


async def current(session: Session, source: Source) -> Publication | None:
    """What is published of a source, unless it was withdrawn."""
    row = await session.fetchrow("policypv_current", source.source_id)
    if row is None or row["istombstoned"]:
        return None
    return Publication(row["padbid"], PolicyVersion(row["policyid"], row["version"]), new=False)


async def publish(
    session: Session, source: Source, body_of: Callable[[PolicyVersion], bytes], now: datetime
) -> Publication:
    """Make the published policy say what ``body_of`` says, at the next version if that differs.

    A policy that was withdrawn comes back at a new version too: clients have forgotten the old one.
    """
    row = await session.fetchrow("policypv_current", source.source_id)
    if row is None:
        policy = PolicyVersion(source.policy_id, FIRST_VERSION)
        await _insert(session, source, policy, body_of(policy))
        assignment = await session.fetchval(
            "policypv_insert_assignment",
            source.assignment_id,
            policy.policy_id,
            policy.version,
            now,
            source.condition,
        )
        return Publication(assignment, policy, new=True)
    held = PolicyVersion(row["policyid"], row["version"])
    if not row["istombstoned"] and source.is_as(row) and body_of(held) == row["body"]:
        return Publication(row["padbid"], held, new=False)
    policy = PolicyVersion(held.policy_id, f"{int(held.version.split('.')[0]) + 1}.00")
    await _insert(session, source, policy, body_of(policy))
    await session.execute("policypv_update_assignment", row["padbid"], policy.version, now, source.condition)
    before = await session.fetchval("policypv_newest_change")
    await in_portions(session, "policypv_announce", row["padbid"], before)
    return Publication(row["padbid"], policy, new=True)


async def target(session: Session, published: Publication, collection_id: str) -> None:
    """Assign it to the members of the collection, and to nobody else."""
    await in_portions(session, "policypv_map_collection", published.assignment, collection_id)
    await in_portions(session, "policypv_unmap_others", published.assignment, collection_id)


async def withdraw(session: Session, assignment: int, now: datetime) -> None:
    """Take an assignment (PADBID) away from everybody."""
    await session.execute("policypv_withdraw", assignment, now)
    await in_portions(session, "policypv_unmap_all", assignment)


async def in_portions(session: Session, query: str, *args: object) -> None:
    """Repeat a statement that takes so many rows at a time until it finds none.

    A hundred thousand rows at once outlast a query's time limit, which reads as an outage.
    """
    while not (await session.execute(query, *args)).endswith(" 0"):
        pass


async def _insert(session: Session, source: Source, policy: PolicyVersion, body: bytes) -> None:
    await session.execute(
        "policypv_insert_policy",
        policy.policy_id,
        policy.version,
        source.category,
        policy_hash(body),
        policy_hash_sha1(body),
        body,
        source.source_id,
        source.flags,
        source.priority,
    )
