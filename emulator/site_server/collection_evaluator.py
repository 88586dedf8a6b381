"""Collection evaluator (colleval): keeps every collection's members what its rules say.

A collection that refreshes constantly, as collections here do unless told otherwise, is looked at
whenever a resource or a rule changes. A manual one is looked at when RequestRefresh
asks, or when its rules change. Periodic ones count as constant: schedules are not kept.
"""

from __future__ import annotations

from emulator.errors import UnsupportedQuery
from emulator.site_database import membership
from emulator.site_database.condition import Condition
from emulator.site_database.database import Record
from emulator.site_server.component import Component, SiteServerPart
from emulator.site_server.provider_class import Place
from emulator.site_server.sms_collection import AWAITING_REFRESH, DIRECT
from emulator.site_server.sms_system import SmsSystem
from emulator.site_server.wql import parse_wql

MANUAL = 1  # RefreshType


class CollectionEvaluator(Component):
    """Compares rules with members, collection by collection."""

    log_name = "colleval"
    tables = frozenset({"system_disc", "collections", "collectionrules"})

    def __init__(self, role: SiteServerPart) -> None:
        super().__init__(role)
        self._attributes = SmsSystem(Place(role.settings.site_code, role.clock)).columns

    async def work(self) -> float | None:
        for collection in await self.database.fetch("colleval_collections"):
            awaits = collection["currentstatus"] == AWAITING_REFRESH
            # Most collections are what their rules say at most passes: one look finds the others.
            constant = collection["refreshtype"] != MANUAL and (collection["asks"] or collection["differs"])
            if awaits or constant:
                await self.evaluate(collection["collectionid"], awaits=awaits)
        return None

    async def evaluate(self, collection_id: str, *, awaits: bool = False) -> None:
        """Bring one collection up to date, in one transaction."""
        async with self.database.transaction() as session:
            collection = await session.fetchrow("colleval_lock", collection_id)
            if collection is None:
                return  # deleted meanwhile
            try:
                direct, queries = self._rules(await session.fetch("colleval_rules", collection_id))
            except UnsupportedQuery as exc:
                # The provider refuses such rules; this one came another way. Better no change
                # than members that a rule never meant.
                self.log.error("rule not understood", collection=collection_id, reason=str(exc))
                return
            change = await membership.difference(session, collection_id, direct, queries)
            await membership.apply(session, collection_id, change)
            # Written only when something differs: a write wakes this component again. A deleted
            # resource has left its collections by itself, and shows only in the count.
            if change or awaits or collection["membercount"] != collection["counted"]:
                await session.execute("colleval_evaluated", collection_id, self.clock.now())
        if change:
            self.log.info(
                "evaluated", collection=collection_id, added=len(change.added), removed=len(change.removed)
            )

    def _rules(self, rows: list[Record]) -> tuple[list[int], list[Condition]]:
        direct = [row["resourceid"] for row in rows if row["ruletype"] == DIRECT]
        queries = [
            parse_wql(row["queryexpression"], self._attributes) for row in rows if row["ruletype"] != DIRECT
        ]
        return direct, queries
