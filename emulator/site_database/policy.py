"""What a management point asks of policies: who is assigned which, and their bodies.

Targeting is computed beforehand, by the policy provider: ResPolicyMap has a row for each machine
and assignment, and every change of such a row takes a new change number. A client's cookie is the
newest it has seen, so what is newer is what it must be told. A withdrawn row stays as a
tombstone, to be told as well. That numbers become visible in their order is schema.sql's care.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from emulator.errors import PolicyNotFound
from emulator.protocol.policy import AssignedPolicy, PolicyVersion, StoredPolicy
from emulator.site_database.database import Database, Record


class Assignments(NamedTuple):
    """What is new for one client, and whose key must have signed the question."""

    policies: tuple[AssignedPolicy, ...]
    newest: int  # change number
    signing: bytes | None  # its certificate (DER); None: nobody is registered under this identity


async def assignments_for(db: Database, smsid: str, after_change: int = 0) -> Assignments:
    """What changed for a client after a change number, and its newest change number.

    After 0 that is everything assigned now. A withdrawn assignment has the action ``delete``.
    """
    return (await assignments_of_many(db, [(smsid, after_change)]))[0]


async def assignments_of_many(db: Database, asked: Sequence[tuple[str, int]]) -> list[Assignments]:
    """As ``assignments_for``, for many clients at one moment: SMSID and change number of each, in order."""
    smsids, changes = zip(*asked, strict=True)
    rows = await db.fetch("MP_GetMachinePolicyAssignments", smsids, changes)
    return [_assignments(list(of_one)) for _, of_one in groupby(rows, itemgetter("place"))]


def _assignments(rows: list[Record]) -> Assignments:
    first = rows[0]
    if first["policyid"] is None:
        return Assignments((), first["newest"], first["signingcertificate"])
    return Assignments(tuple(map(_assigned, rows)), first["newest"], first["signingcertificate"])


def _assigned(row: Record) -> AssignedPolicy:
    return AssignedPolicy(
        assignment_id=row["policyassignmentid"],
        policy=PolicyVersion(row["policyid"], row["version"]),
        category=row["policycategory"],
        policy_type=row["policytype"],
        flags=row["policyflags"],
        priority=row["policypriority"],
        policy_hash=row["policyhash"],
        policy_hash_sha1=row["policyhashsha1"],
        condition_xml=row["condition"],
        action="delete" if row["istombstoned"] else "",
    )


async def is_assigned(db: Database, smsid: str, policy: PolicyVersion) -> bool:
    """Whether a policy is assigned to a client now, in whatever version."""
    return bool(await db.fetchval("MP_IsPolicyAssigned", smsid, policy.policy_id))


async def stored_policy(db: Database, policy: PolicyVersion) -> StoredPolicy:
    """One body with its flags.

    Raises:
        PolicyNotFound: there is no such policy, or it never had this version.
    """
    row = await db.fetchrow("MP_GetPolicyBody", policy.policy_id, policy.version)
    if row is None:
        raise PolicyNotFound(f"no policy {policy.policy_id} has a version {policy.version}")
    return StoredPolicy(row["body"], row["policyflags"])
