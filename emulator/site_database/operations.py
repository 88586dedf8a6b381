"""Operations on devices that administrators started, what was answered, and what devices reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulator.errors import ObjectNotFound
from emulator.site_database.database import Database, Record, Session

RUN_SCRIPT, CMPIVOT = 135, 145  # Type; InitiateClientOperation has the numbers below
LARGEST_CLIENT_OPERATION = 134

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, on a device or on a collection's members."""

    kind: int
    collection_id: str | None = None
    resource_id: int | None = None
    resource_ids: tuple[int, ...] = ()
    input: str = ""
    requested_by: str
    requested: datetime


async def begin(session: Session, operation: Operation) -> int:
    """Keep an operation; returns its OperationID."""
    return int(
        await session.fetchval(
            "operation_begin",
            operation.kind,
            operation.collection_id,
            operation.resource_id,
            list(operation.resource_ids),
            operation.input,
            operation.requested_by,
            operation.requested,
        )
    )


async def input_of(
    db: Database, operation_id: int, kind: int, *, resource_id: int | None, collection_id: str | None
) -> str:
    """What an operation asks of its devices.

    Raises:
        ObjectNotFound: there is no such operation on this target.
    """
    row = await db.fetchrow("operation_input", operation_id, kind, resource_id, collection_id)
    if row is None:
        raise ObjectNotFound(f"there is no operation {operation_id} of this kind on this target")
    return str(row["input"])


async def results(db: Database, operation_id: int) -> dict[int, Any]:
    """What devices answered, by ResourceID."""
    rows = await db.fetch("operation_results", operation_id)
    return {row["resourceid"]: json.loads(row["result"]) for row in rows}


async def store_result(
    session: Session, operation_id: int, resource_id: int, result: Sequence[Properties], now: datetime
) -> None:
    """Keep a device's answer; the first one stays."""
    await session.execute("operation_result", operation_id, resource_id, json.dumps(list(result)), now)


# -- what devices reported -------------------------------------------------------------


async def device(db: Database, resource_id: int) -> Record | None:
    """What is known of a device, and when its inventories were loaded last."""
    return await db.fetchrow("operation_device", resource_id)


async def members(db: Database, collection_id: str) -> list[Record]:
    """The same of every member of a collection."""
    return await db.fetch("operation_members", collection_id)


async def instances(db: Database, resource_id: int, class_name: str) -> list[Properties]:
    """The instances of one class in a device's hardware inventory."""
    rows = await db.fetch("operation_instances", resource_id, class_name)
    return [json.loads(row["properties"]) for row in rows]


async def files(db: Database, resource_id: int) -> list[Properties]:
    """The files in a device's software inventory."""
    return [dict(row) for row in await db.fetch("operation_files", resource_id)]
