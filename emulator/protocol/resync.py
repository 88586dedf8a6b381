"""The policy that asks one client for its whole inventory again (a resync).

It reaches the client as policy, as the product's does; class and properties are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from emulator.errors import MalformedMessage
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import cim_datetime, decode_body, encode_body, read_cim_datetime

RESYNC_CLASS = "CCM_InventoryResync"
RESYNC_CATEGORY = "InventoryResync"


@dataclass(frozen=True, slots=True)
class InventoryResyncPolicy:
    """Which inventory is wanted whole, and since when."""

    action: str  # 'Hardware' or 'Software'
    requested: datetime

    def to_body(self, policy: PolicyVersion, site_code: str) -> bytes:
        values = {"InventoryAction": self.action, "Requested": cim_datetime(self.requested)}
        return encode_body(policy, site_code, RESYNC_CLASS, values)

    @classmethod
    def from_body(cls, body: bytes) -> tuple[PolicyVersion, InventoryResyncPolicy]:
        """Raises MalformedMessage: it is another policy, or none."""
        instance = decode_body(body)
        action = instance.properties.get("InventoryAction", "")
        if instance.class_name != RESYNC_CLASS or action not in ("Hardware", "Software"):
            raise MalformedMessage("no inventory resync policy", raw=body[:200])
        return instance.policy, cls(action, read_cim_datetime(instance.properties.get("Requested", "")))
