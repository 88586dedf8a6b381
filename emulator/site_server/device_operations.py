"""What devices are asked at once, and what they answer: CMPivot and scripts.

Nothing travels to a device. Each answers with what it has reported to the site; one that has
not reported yet has not answered yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from emulator.errors import ObjectConflict, ObjectNotFound
from emulator.site_database import operations
from emulator.site_database.database import Record, Session, SiteDatabase
from emulator.site_database.operations import CMPIVOT, RUN_SCRIPT, Operation
from emulator.site_server import script_output
from emulator.site_server.administrators import CALLER
from emulator.site_server.cmpivot import read_pivot_query
from emulator.site_server.cmpivot_entities import has_reported, rows_of
from emulator.site_server.provider_class import Object, Place
from emulator.site_server.sms_scripts import APPROVED, decoded

Rows = list[dict[str, Any]]
# What one device answers; None: it has not reported what the answer is made from.
Answering = Callable[[Session, Record], Awaitable[Rows | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device, or every member of one collection."""

    resource_id: int | None = None
    collection_id: str | None = None


class DeviceOperations:
    """Starts operations and collects their results."""

    def __init__(self, database: SiteDatabase, place: Place) -> None:
        self._database = database
        self._place = place

    async def run_cmpivot(self, session: Session, target: Target, query: str) -> int:
        """Ask the target's devices; returns the OperationId.

        Raises:
            UnsupportedQuery: the query uses something that this site does not answer.
        """
        read_pivot_query(query)
        return await self._begin(session, target, CMPIVOT, query)

    async def run_script(self, session: Session, target: Target, script: Object) -> int:
        """Start an approved script (an SMS_Scripts object); returns the OperationId.

        Raises:
            ObjectConflict: it is not approved.
        """
        if script["ApprovalState"] != APPROVED:
            raise ObjectConflict(f"the script {script['ScriptGuid']} is not approved")
        return await self._begin(session, target, RUN_SCRIPT, script["Script"])

    async def _begin(self, session: Session, target: Target, kind: int, given: str) -> int:
        operation = Operation(
            kind=kind,
            collection_id=target.collection_id,
            resource_id=target.resource_id,
            input=given,
            requested_by=CALLER.get(),
            requested=self._place.clock.now(),
        )
        return await operations.begin(session, operation)

    # -- results -------------------------------------------------------------------

    async def cmpivot_result(self, target: Target, operation_id: int) -> object:
        """What the devices answered to a query.

        Raises:
            ObjectNotFound: there is no such operation, or nobody has answered yet.
        """
        query = read_pivot_query(await self._input(target, operation_id, CMPIVOT))

        async def answer(session: Session, device: Record) -> Rows | None:
            if not has_reported(device, query.entity.source):
                return None
            return query.of(await rows_of(session, device, query.entity, query.argument))

        return await self._results(target, operation_id, answer)

    async def script_result(self, target: Target, operation_id: int) -> object:
        """What the devices answered to a script; raises as ``cmpivot_result`` does."""
        script = decoded(await self._input(target, operation_id, RUN_SCRIPT))

        async def answer(session: Session, device: Record) -> Rows | None:
            # The commands that are recognised speak of hardware and of addresses.
            if not (has_reported(device, "hardware") and has_reported(device, "discovery")):
                return None
            return [await script_output.result_of(session, device, script)]

        return await self._results(target, operation_id, answer)

    async def _input(self, target: Target, operation_id: int, kind: int) -> str:
        return await operations.input_of(
            self._database,
            operation_id,
            kind,
            resource_id=target.resource_id,
            collection_id=target.collection_id,
        )

    async def _results(self, target: Target, operation_id: int, answer: Answering) -> object:
        async with self._database.transaction() as session:
            answered = await operations.results(session, operation_id)
            for device in await _devices(session, target):
                if device["itemkey"] in answered:
                    continue
                result = await answer(session, device)
                if result is not None:
                    now = self._place.clock.now()
                    await operations.store_result(session, operation_id, device["itemkey"], result, now)
                    answered[device["itemkey"]] = result
        if not answered:
            raise ObjectNotFound(f"operation {operation_id} has no result yet")
        if target.resource_id is not None:
            return {"Result": answered[target.resource_id]}
        return [{"ResourceId": resource, "Result": result} for resource, result in answered.items()]


async def _devices(session: Session, target: Target) -> list[Record]:
    if target.resource_id is None:
        return await operations.members(session, str(target.collection_id))
    device = await operations.device(session, target.resource_id)
    return [device] if device else []
