"""IDMIF data: instances a client reports of things that hardware inventory does not know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from emulator.protocol.report import Instance
from emulator.site_database.database import Session


async def replace(session: Session, machine_id: int, instances: Sequence[Instance], time: datetime) -> None:
    """A full report: these instances and no others."""
    await session.execute("idmif_remove_all", machine_id)
    await change(session, machine_id, instances, time)


async def change(session: Session, machine_id: int, instances: Sequence[Instance], time: datetime) -> None:
    """A delta: of two instances of one name the later counts."""
    last = {(instance.class_name, instance.key): instance for instance in instances}
    for (class_name, key), instance in last.items():
        if instance.content == "Deleted":
            await session.execute("idmif_remove", machine_id, class_name, key)
        else:
            properties = json.dumps(dict(instance.properties))
            await session.execute("idmif_store", machine_id, class_name, key, properties, time)
