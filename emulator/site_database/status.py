"""Status messages of clients and of the site, and what they say of advertisements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from emulator.site_database.database import Session

INFORMATION, WARNING, ERROR = 0x40000000, 0x80000000, 0xC0000000  # Severity
MILESTONE = 256  # MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRecord:
    """One status message as the site keeps it."""

    message_id: int
    time: datetime
    module: str = "SMS Client"
    component: str
    machine: str
    site_code: str
    severity: int = INFORMATION
    message_type: int = MILESTONE
    event_class: str = ""
    strings: tuple[str, ...] = ()  # insertion strings, in order
    attributes: Mapping[int, str] = field(default_factory=dict)  # by AttributeID


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferStatus:
    """What a status message says of one advertisement on one machine."""

    advertisement_id: str
    state: int
    state_name: str
    message_id: int
    time: datetime
    result: str | None = None  # exit code or the like, when a program ended
    completed: bool = False  # a run ended, well or badly
    event_class: str = ""
    severity: int = INFORMATION
    acceptance: bool = False  # it says whether the advertisement was taken up at all


async def store(session: Session, record: StatusRecord, receipt_id: int | None = None) -> int:
    """Store one message; without a receipt it is the site's own. Returns its RecordID."""
    return int(
        await session.fetchval(
            "status_store",
            receipt_id,
            record.message_id,
            record.message_type,
            record.severity,
            record.module,
            record.component,
            record.machine,
            record.site_code,
            record.time,
            record.event_class,
            list(record.strings),
            list(record.attributes),
            list(record.attributes.values()),
        )
    )


async def store_offer_status(session: Session, machine_id: int, status: OfferStatus) -> None:
    """Bring an advertisement's status on a machine up to date; late messages do not turn it back."""
    await session.execute(
        "status_of_offer",
        status.advertisement_id,
        machine_id,
        status.state,
        status.state_name,
        status.message_id,
        status.time,
        status.result,
        int(status.completed),
        status.event_class,
        status.severity,
        status.acceptance,
    )
