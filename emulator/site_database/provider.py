"""Rows as the SMS Provider reads and writes them: one table, columns under their property names.

The provider's classes are tables of properties and columns, so their statements are put
together here from those tables. Names of tables and columns come from the classes; what a
request brought goes in as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.site_database.condition import EVERYTHING, Column, Condition, to_sql
from emulator.site_database.database import Record, Session, SiteDatabase


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows, in which order, from where to where."""

    table: str
    columns: Mapping[str, Column]  # property name -> column
    condition: Condition = EVERYTHING
    order_by: Sequence[tuple[Column, bool]] = ()  # column, descending
    limit: int | None = None
    offset: int = 0


async def select(db: SiteDatabase | Session, selection: Selection) -> list[Record]:
    """The rows, their columns named like the properties."""
    parameters: list[object] = []
    columns = ", ".join(f'{column.name} AS "{name}"' for name, column in selection.columns.items())
    where = to_sql(selection.condition, parameters)
    order = ", ".join(
        f"{column.name} {'DESC NULLS LAST' if descending else 'ASC NULLS FIRST'}"
        for column, descending in selection.order_by
    )
    statement = f"SELECT {columns} FROM {selection.table} WHERE {where}"
    if order:
        statement += f" ORDER BY {order}"
    if selection.limit is not None:
        statement += f" LIMIT {int(selection.limit)}"
    if selection.offset:
        statement += f" OFFSET {int(selection.offset)}"
    return await db.fetch(statement, *parameters)


async def count(db: SiteDatabase | Session, table: str, condition: Condition) -> int:
    """How many rows satisfy the condition."""
    parameters: list[object] = []
    where = to_sql(condition, parameters)
    return int(await db.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", *parameters))


async def insert(session: Session, table: str, values: Mapping[str, object]) -> None:
    """Insert one row; ``values`` are by column name."""
    places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
    await session.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values())


async def update(
    session: Session, table: str, key: Mapping[str, object], values: Mapping[str, object]
) -> bool:
    """Change the row with this key; False when there is none."""
    if not values:
        return True
    changes = ", ".join(f"{column} = ${i}" for i, column in enumerate(values, 1))
    where = " AND ".join(f"{column} = ${i}" for i, column in enumerate(key, len(values) + 1))
    status = await session.execute(
        f"UPDATE {table} SET {changes} WHERE {where}", *values.values(), *key.values()
    )
    return status != "UPDATE 0"


async def delete(session: Session, table: str, key: Mapping[str, object]) -> bool:
    """Delete the row with this key; False when there is none."""
    where = " AND ".join(f"{column} = ${i}" for i, column in enumerate(key, 1))
    return await session.execute(f"DELETE FROM {table} WHERE {where}", *key.values()) != "DELETE 0"


async def names(db: SiteDatabase | Session, table: str, column: str, condition: Condition) -> list[str]:
    """The first few values of a column, for a sentence that names the valid ones."""
    column_of = Column(column)
    rows = await select(
        db,
        Selection(
            table=table,
            columns={"name": column_of},
            condition=condition,
            order_by=[(column_of, False)],
            limit=10,
        ),
    )
    return [str(row["name"]) for row in rows]


async def next_object_id(session: Session, site_code: str) -> str:
    """A new PackageID, AdvertisementID or CollectionID: site code and five hex digits."""
    number = int(await session.fetchval("SELECT nextval('ObjectNumber')"))
    return f"{site_code}{number:05X}"
