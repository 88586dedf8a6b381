"""What the client was assigned and what it has downloaded: on disk, whatever happens.

Two halves, as in the product's requestedconfig: assignments (one document) and bodies (a
file each). A body stays in force until the one that is assigned instead is here, so a client
whose management point refuses keeps every policy it has.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clients.ledger import Ledger
from emulator.protocol.policy import REQUIRES_AUTH, SECRET, TASK_SEQUENCE, AssignedPolicy, PolicyVersion
from emulator.protocol.policy_body import PolicyInstance, decode_body
from emulator.protocol.resync import RESYNC_CATEGORY, InventoryResyncPolicy
from emulator.protocol.software_distribution import CATEGORY as SOFTWARE_DISTRIBUTION
from emulator.protocol.software_distribution import SoftwareDistributionPolicy, decode_policy_body
from emulator.spool import write_durably

PolicyContent = SoftwareDistributionPolicy | InventoryResyncPolicy | PolicyInstance
DO_NOT_DOWNLOAD = TASK_SEQUENCE | REQUIRES_AUTH | SECRET  # what a 2007 client's SDK says of these flags
ACTED_ON = (SOFTWARE_DISTRIBUTION, RESYNC_CATEGORY)


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy in force: assigned, downloaded, understood."""

    policy: PolicyVersion
    assignment_id: str
    body: bytes
    content: PolicyContent
    digest: str  # of the body, as assignments write it

    def is_of(self, assigned: AssignedPolicy) -> bool:
        """Whether this is what is assigned: the version, and the very body where its hash is told."""
        return self.policy == assigned.policy and assigned.policy_hash.upper() in ("", self.digest)


def digest_of(body: bytes) -> str:
    """A body's hash, as assignments write it."""
    return f"SHA256:{hashlib.sha256(body).hexdigest().upper()}"


def version_number(version: str) -> tuple[int, ...]:
    """``2.00`` as something that can be compared; letters count as 0."""
    parts = version.replace("_", ".").split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def is_newer(one: PolicyVersion, other: PolicyVersion) -> bool:
    """Whether this is a later version of the same policy."""
    return one.policy_id == other.policy_id and version_number(one.version) > version_number(other.version)


class PolicyStore:
    """Assignments and bodies of one client."""

    def __init__(self, folder: Path) -> None:
        self._bodies = folder / "bodies"
        self._bodies.mkdir(parents=True, exist_ok=True)
        # in_force: policy id -> version whose body rules; newest: never to go back behind it.
        self._ledger = Ledger(folder / "assignments.json", cookie="", assignments=[], in_force={}, newest={})
        self.assignments: dict[str, AssignedPolicy] = {
            policy.policy.policy_id: policy for policy in map(_assigned, self._ledger["assignments"])
        }
        self.policies: dict[str, HeldPolicy] = {}
        for policy_id, version in self._ledger["in_force"].items():
            path = self._path(PolicyVersion(policy_id, version))
            if policy_id in self.assignments and path.exists():
                self._compile(PolicyVersion(policy_id, version), path.read_bytes())

    @property
    def cookie(self) -> str:
        return str(self._ledger["cookie"])

    @property
    def to_download(self) -> list[AssignedPolicy]:
        """Assigned, but the body in force is another one or there is none.

        What a client of 2007 shall not download stays where it is: it would only be refused.
        """
        return [
            assigned
            for policy_id, assigned in self.assignments.items()
            if not assigned.flags & DO_NOT_DOWNLOAD
            and not (policy_id in self.policies and self.policies[policy_id].is_of(assigned))
        ]

    def is_older(self, policy: PolicyVersion) -> bool:
        """Whether this client once held a newer version of this policy."""
        newest = self._ledger["newest"].get(policy.policy_id)
        return newest is not None and is_newer(PolicyVersion(policy.policy_id, newest), policy)

    @property
    def replied(self) -> float | None:
        """When the management point last replied (site time), if that is remembered."""
        return self._ledger.value.get("replied")

    def replace(
        self, assignments: dict[str, AssignedPolicy], cookie: str, replied: float | None = None
    ) -> None:
        """Keep a new set of assignments with the cookie that stands for it, together."""
        newest = self._ledger["newest"] | {
            policy_id: assigned.policy.version for policy_id, assigned in assignments.items()
        }
        in_force = {k: v for k, v in self._ledger["in_force"].items() if k in assignments}
        self._ledger.save(
            cookie=cookie,
            assignments=[_as_json(assigned) for assigned in assignments.values()],
            in_force=in_force,
            newest=newest,
            replied=replied,
        )
        self.assignments = assignments
        for policy_id in set(self.policies) - set(assignments):
            self._path(self.policies.pop(policy_id).policy).unlink(missing_ok=True)

    def forget_cookie(self) -> None:
        """The next request is for all assignments: what was told before need not be true."""
        if self.cookie:
            self._ledger.save(cookie="")

    def keep_body(self, policy: PolicyVersion, body: bytes) -> HeldPolicy:
        """Keep a downloaded body and put it in force instead of the older version's.

        Raises:
            MalformedMessage: the body cannot be understood; nothing is changed then.
        """
        self._content(policy, body)
        before = self.policies.get(policy.policy_id)
        write_durably(self._path(policy), body)
        self._ledger.save(in_force=self._ledger["in_force"] | {policy.policy_id: policy.version})
        held = self._compile(policy, body)
        if before is not None and before.policy != policy:
            self._path(before.policy).unlink(missing_ok=True)
        return held

    def _compile(self, policy: PolicyVersion, body: bytes) -> HeldPolicy:
        content = self._content(policy, body)
        assignment_id = self.assignments[policy.policy_id].assignment_id
        held = HeldPolicy(policy, assignment_id, body, content, digest_of(body))
        self.policies[policy.policy_id] = held
        return held

    def _content(self, policy: PolicyVersion, body: bytes) -> PolicyContent:
        """What a body says; settings that no agent here acts on are kept as the instance they are."""
        if self.assignments[policy.policy_id].category in ACTED_ON:
            return decode_policy_body(body)[1]
        return decode_body(body)

    def _path(self, policy: PolicyVersion) -> Path:
        # Policy ids are the site's words, not file names.
        digest = hashlib.sha256(f"{policy.policy_id}.{policy.version}".encode()).hexdigest()
        return self._bodies / f"{digest[:40]}.pol"


def _as_json(assigned: AssignedPolicy) -> dict[str, Any]:
    return asdict(assigned)


def _assigned(value: dict[str, Any]) -> AssignedPolicy:
    return AssignedPolicy(**(value | {"policy": PolicyVersion(**value["policy"])}))
