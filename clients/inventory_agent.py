"""InventoryAgent: hardware and software inventory, full at first, then what changed.

Versions are ``major.minor``: 1.0 is the first full report, 1.1 the first delta after it; a
resync makes the next report full, 2.0. What was last reported is kept with the version and
the queued report, all or none of them, so that no version is skipped or used twice.
Collecting needs nobody: without a management point reports gather in the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from clients.journal import Journal
from clients.ledger import Ledger
from clients.machine import Instances, Machine
from clients.messaging import Messaging
from clients.policy_agent import PolicyAgent
from clients.reports import ReportHeaders
from clients.settings import ClientSettings
from emulator.protocol.inventory import HARDWARE_ACTION, SOFTWARE_ACTION
from emulator.protocol.report import INVENTORY_DATA, Instance, Report
from emulator.protocol.report_file import ReportKind
from emulator.protocol.resync import InventoryResyncPolicy

_ENDPOINTS = {"Hardware": "MP_HinvEndpoint", "Software": "MP_SinvEndpoint"}
_KINDS = {"Hardware": ReportKind.HARDWARE_INVENTORY, "Software": ReportKind.SOFTWARE_INVENTORY}
_ACTIONS = {"Hardware": HARDWARE_ACTION, "Software": SOFTWARE_ACTION}


class InventoryAgent:
    """Collects and queues inventory."""

    def __init__(
        self,
        settings: ClientSettings,
        policy_agent: PolicyAgent,
        messaging: Messaging,
        headers: ReportHeaders,
        journal: Journal,
        installed: Callable[[], list[str]],
    ) -> None:
        self._machine = Machine(settings.name, settings.domain, settings.seed)
        self._policy_agent = policy_agent
        self._messaging = messaging
        self._headers = headers
        self._journal = journal
        self._installed = installed  # programs that ran with success, as Add/Remove Programs lists them
        self._ledgers = {
            action: Ledger(
                settings.data / f"inventory_{action.lower()}.json",
                major=0,
                minor=0,
                looks=0,
                resynced="",
                last=[],
            )
            for action in _ENDPOINTS
        }
        self._locks = {action: asyncio.Lock() for action in _ENDPOINTS}

    async def collect_hardware(self) -> str:
        """Collect hardware inventory; returns the message id of the queued report."""
        return await self._collect(
            "Hardware", lambda look: self._machine.hardware(look, sorted(set(self._installed())))
        )

    async def collect_software(self) -> str:
        """Collect software inventory; returns the message id of the queued report."""
        return await self._collect("Software", lambda look: self._machine.files())

    def resync_pending(self, action: str) -> bool:
        """Whether the site asked for a full report ("Hardware" or "Software") that was not made yet."""
        return self._requested(action) > str(self._ledgers[action]["resynced"])

    def _requested(self, action: str) -> str:
        contents = (held.content for held in self._policy_agent.policies.values())
        requests = [
            _stamp(c.requested)
            for c in contents
            if isinstance(c, InventoryResyncPolicy) and c.action.lower() == action.lower()
        ]
        return max(requests, default="")

    async def _collect(self, action: str, look_at: Callable[[int], Instances]) -> str:
        async with self._locks[action]:
            ledger = self._ledgers[action]
            await self._messaging.recover(ledger)
            before = {(cls, key): properties for cls, key, properties in ledger["last"]}
            found = look_at(ledger["looks"])
            requested = self._requested(action)
            full = ledger["major"] == 0 or requested > ledger["resynced"]
            major, minor = (ledger["major"] + 1, 0) if full else (ledger["major"], ledger["minor"] + 1)
            version = f"{major}.{minor}"
            report_type = "Full" if full else "Delta"
            header = self._headers.make(INVENTORY_DATA, report_type, version, _ACTIONS[action], action)
            report = Report(header, tuple(_changes({} if full else before, found)))
            message = self._messaging.compose(_ENDPOINTS[action], report.to_xml(), _KINDS[action])
            changes: dict[str, Any] = {
                "major": major,
                "minor": minor,
                "looks": ledger["looks"] + 1,
                "resynced": max(requested, ledger["resynced"]),
                "last": [[cls, key, properties] for (cls, key), properties in found.items()],
            }
            await self._messaging.put_with(ledger, [message], **changes)
            self._journal.note(
                "collected",
                kind=_KINDS[action].value,
                report_type=report_type,
                version=version,
                instances=len(report.instances),
                message_id=message.message_id,
            )
            return message.message_id

    async def recover(self) -> None:
        """Queue what an earlier life of this client had collected but not queued."""
        for ledger in self._ledgers.values():
            await self._messaging.recover(ledger)


def _changes(before: Instances, found: Instances) -> list[Instance]:
    changed = []
    for (cls, key), properties in found.items():
        if (cls, key) not in before:
            changed.append(_instance(cls, key, "New", properties))
        elif before[cls, key] != properties:
            changed.append(_instance(cls, key, "Updated", properties))
    gone = (item for item in before.items() if item[0] not in found)
    return changed + [_instance(cls, key, "Deleted", properties) for (cls, key), properties in gone]


def _instance(cls: str, key: str, content: str, properties: dict[str, str]) -> Instance:
    namespace = "\\\\.\\root\\cimv2"
    return Instance(class_name=cls, namespace=namespace, content=content, properties=properties, key=key)


def _stamp(time: datetime) -> str:
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")
