"""Ending a database's sessions, those that are only just beginning too.

A session that begins is checked (may it come in, what is it set to) a moment before PostgreSQL lists it
in pg_stat_activity. Whoever changes the rules and ends who is listed would leave that one behind, under
the old rules for as long as it lives. From before the check until it is listed it holds a lock on its
database, and pg_locks shows that.
"""

from __future__ import annotations

from typing import Any

# In this order: who is still beginning at the first is found by it; who has begun by then is listed for the
# second; and who comes later is told the new rules.
BEGINNING = """
    SELECT pg_terminate_backend(pid, 2000) FROM pg_locks
    WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND pid <> pg_backend_pid()
    AND objid = (SELECT oid FROM pg_database WHERE datname = $1)
"""
OPEN = """
    SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
    WHERE datname = $1 AND pid <> pg_backend_pid()
"""


async def end_sessions(connection: Any, database: str) -> int:
    """End every session of a database but the caller's own; returns how many there were.

    ``connection``: of asyncpg, to any database of the server, and in no transaction.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: as asyncpg does.
    """
    return sum([len(await connection.fetch(query, database)) for query in (BEGINNING, OPEN)])
