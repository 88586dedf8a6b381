"""Who is in a collection, and who should be: compared in the database, only the difference travels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.site_database.condition import Any, Condition, to_sql
from emulator.site_database.database import Session

# Rows of one statement: a hundred thousand at once outlast a query's time limit.
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Difference:
    """What to do to a collection's members: (resource, whether by a direct rule), and resources."""

    added: Sequence[tuple[int, bool]]
    removed: Sequence[int]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


async def difference(
    session: Session, collection_id: str, direct: Sequence[int], queries: Sequence[Condition]
) -> Difference:
    """Compare the members with what direct rules name and query rules describe."""
    parameters: list[object] = [collection_id, list(direct)]
    described = to_sql(Any(tuple(queries)), parameters)
    rows = await session.fetch(
        f"""
        WITH wanted AS (
            SELECT ItemKey AS ResourceID, ItemKey = ANY($2::integer[]) AS IsDirect FROM System_DISC
            WHERE ItemKey = ANY($2::integer[]) OR coalesce({described}, false)
        ), held AS (
            SELECT ResourceID, IsDirect FROM CollectionMembers WHERE CollectionID = $1
        )
        SELECT wanted.ResourceID AS wanted, wanted.IsDirect AS direct, held.ResourceID AS held
        FROM wanted FULL JOIN held USING (ResourceID)
        WHERE wanted.ResourceID IS NULL OR held.ResourceID IS NULL OR wanted.IsDirect <> held.IsDirect
        """,
        *parameters,
    )
    return Difference(
        added=[(row["wanted"], row["direct"]) for row in rows if row["wanted"] is not None],
        removed=[row["held"] for row in rows if row["wanted"] is None],
    )


async def apply(session: Session, collection_id: str, change: Difference) -> None:
    """Make the members what the difference says."""
    for i in range(0, len(change.removed), CHUNK):
        await session.execute("colleval_remove_members", collection_id, list(change.removed[i : i + CHUNK]))
    for i in range(0, len(change.added), CHUNK):
        resources, direct = zip(*change.added[i : i + CHUNK], strict=True)
        await session.execute("colleval_add_members", collection_id, list(resources), list(direct))
