"""Hardware inventory: the instances a computer has now, and what they were before.

Every function runs in the transaction of the loader that stores the report. ``begin`` comes
first: it locks the machine's row, so that two reports of one machine never interleave.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from emulator.protocol.report import Instance, ReportHeader
from emulator.site_database.database import Session

Action = Literal["Hardware", "Software"]
Key = tuple[str, str]  # class and key of an instance, or path and name of a file


@dataclass(frozen=True, slots=True)
class LastReport:
    """The newest inventory report of a machine that was loaded; version 0.0 and no date: none."""

    version: str
    date: datetime | None
    resync_requested: bool


# -- the machine's row: for hardware and software alike -----------------------------------


async def begin(session: Session, machine_id: int, action: Action) -> LastReport:
    """Lock the machine's inventory, and tell what was loaded last."""
    row = await session.fetchrow("inventory_status", machine_id)
    assert row
    if action == "Hardware":
        return LastReport(row["lastreportversion"], row["lasthwscan"], row["resyncrequested"])
    return LastReport(row["lastswreportversion"], row["lastswscan"], row["swresyncrequested"])


async def loaded(
    session: Session, receipt_id: int, machine_id: int, action: Action, header: ReportHeader, now: datetime
) -> None:
    """The report was applied: it is the last one now, and a full one answers a resync."""
    full = header.report_type.lower() == "full"
    query = f"inventory_{action.lower()}_loaded"
    await session.execute(
        query,
        machine_id,
        header.date,
        header.version,
        full,
        receipt_id,
        action,
        header.report_type,
        now,
    )


async def log(
    session: Session, receipt_id: int, machine_id: int, action: str, header: ReportHeader, now: datetime
) -> None:
    """One line in the order of loading; ``action`` may be 'Discovery' too."""
    await session.execute(
        "inventory_log", receipt_id, machine_id, action, header.report_type, header.version, now
    )


async def request_resync(session: Session, machine_id: int, action: Action) -> None:
    """Ask a client for everything again; a request that stands already is not made twice."""
    await session.execute(f"inventory_{action.lower()}_resync", machine_id)


# -- instances --------------------------------------------------------------------------


async def replace(session: Session, machine_id: int, instances: Sequence[Instance], time: datetime) -> None:
    """A full report: these instances and no others."""
    await session.execute("inventory_remove_others", machine_id, *_columns(map(_key, instances)))
    await _store(session, machine_id, instances, time)


async def apply_delta(
    session: Session, machine_id: int, instances: Sequence[Instance], time: datetime
) -> list[Key]:
    """A delta: what was added, changed and deleted.

    Returns the instances it changes or deletes that the site does not have; if there are any,
    nothing is applied.
    """
    touched = [i for i in instances if i.content != "New"]
    keys = _columns(map(_key, touched))
    rows = await session.fetch("inventory_held", machine_id, *keys) if touched else []
    held = {(row["class_name"], row["instance_key"]) for row in rows}
    new = {_key(i) for i in instances if i.content == "New"}
    missing = sorted({_key(i) for i in touched} - held - new)
    if missing:
        return missing
    last = {_key(i): i for i in instances}  # of two about one instance the later counts
    deleted = [key for key, i in last.items() if i.content == "Deleted"]
    if deleted:
        await session.execute("inventory_remove", machine_id, *_columns(deleted))
    await _store(session, machine_id, [i for i in last.values() if i.content != "Deleted"], time)
    return []


def _key(instance: Instance) -> Key:
    return instance.class_name, instance.key


async def _store(session: Session, machine_id: int, instances: Iterable[Instance], time: datetime) -> None:
    rows = {
        _key(i): {"class_name": i.class_name, "instance_key": i.key, "properties": dict(i.properties)}
        for i in instances
    }
    if rows:
        await session.execute("inventory_store", machine_id, json.dumps(list(rows.values())), time)


def _columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    pairs = list(keys)
    return [first for first, _ in pairs], [second for _, second in pairs]
