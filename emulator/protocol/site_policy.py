"""Bodies of policies that are no software distribution: the network access account, task sequences,
collection variables, and settings of the agents.

Which secrets a body carries, and how, depends on the category (wire.md 7.4). Secrets stand in it
obfuscated, as the database keeps it; the envelope is put around it when a client asks.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.protocol.policy import (
    INTRANET_ONLY,
    PERSIST_WHOLE_POLICY,
    REQUIRES_AUTH,
    SECRET,
    TASK_SEQUENCE,
    PolicyVersion,
)
from emulator.protocol.policy_body import InstanceValues, Value, encode_compressed, encode_instances
from emulator.protocol.policy_condition import condition_of, in_namespace
from emulator.protocol.policy_secret import Cipherment, obfuscate
from emulator.protocol.xml import serialize

NAA_CONFIG, TASK_SEQUENCES, COLLECTION_SETTINGS = "NAAConfig", "TaskSequence", "CollectionSettings"
COLLECTION_VARIABLE = "CCM_CollectionVariable"
PROTECTED = REQUIRES_AUTH | SECRET | INTRANET_ONLY | PERSIST_WHOLE_POLICY  # 30: a real site's NAA policy
_PLAIN_NAME = re.compile(r"[A-Z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """One property as the site's settings say it, in the clear."""

    name: str
    value: str | int | bool
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SitePolicyContent:
    """What one such policy says; ``expressions`` are types and WQL."""

    category: str
    class_name: str
    values: tuple[PolicyValue, ...]
    expressions: tuple[tuple[str, str], ...] = ()
    operator: str = "AND"

    @property
    def default_flags(self) -> int:
        """Flags where the settings say none: what its secrets ask for."""
        if not any(value.secret for value in self.values):
            return TASK_SEQUENCE if self.category == TASK_SEQUENCES else 0
        return PROTECTED | (TASK_SEQUENCE if self.category == TASK_SEQUENCES else 0)

    def policy_id(self, otherwise: str) -> str:
        """A task sequence's policy is named after advertisement and package, any other by a GUID."""
        named = {value.name: str(value.value).upper() for value in self.values}
        parts = named.get("ADV_AdvertisementID", ""), named.get("PKG_PackageID", "")
        if self.category != TASK_SEQUENCES or not all(_PLAIN_NAME.fullmatch(part) for part in parts):
            return otherwise
        return f"{parts[0]}-{parts[1]}-{zlib.crc32(otherwise.encode()):08X}"

    def to_body(
        self,
        policy: PolicyVersion,
        site_code: str,
        seed_of: Callable[[PolicyValue], bytes],
        cipherment: Cipherment = "3des",
    ) -> bytes:
        """The body; ``seed_of`` gives the 40 bytes that each secret is obfuscated with."""

        def shown(value: PolicyValue) -> Value:
            if not value.secret:
                return value.value
            return obfuscate(str(value.value), seed_of(value), cipherment)

        condition = condition_of([(kind, in_namespace(wql)) for kind, wql in self.expressions], self.operator)
        if self.category == COLLECTION_SETTINGS:
            instances = [_variable(value, shown(value)) for value in self.values]
            return encode_compressed(
                policy, site_code, encode_instances(policy, site_code, instances, condition)
            )
        instance = InstanceValues(
            self.class_name,
            {value.name: shown(value) for value in self.values},
            frozenset(value.name for value in self.values if value.secret),
        )
        return encode_instances(policy, site_code, [instance], condition)


def _variable(value: PolicyValue, shown: Value) -> InstanceValues:
    """A collection variable is an instance of its own, with its name beside its value."""
    secrets = frozenset({"Value"} if value.secret else ())
    return InstanceValues(COLLECTION_VARIABLE, {"Name": value.name, "Value": shown}, secrets)


def assignment_condition(expressions: Sequence[tuple[str, str]], operator: str = "AND") -> str:
    """The condition of the assignment, as the database keeps it; empty for none."""
    if not expressions:
        return ""
    condition = condition_of([(kind, in_namespace(wql)) for kind, wql in expressions], operator)
    return serialize(condition)
