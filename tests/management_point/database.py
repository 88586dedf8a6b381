"""The site database of one test: what a policy provider writes, and how it goes away."""

from __future__ import annotations

import asyncio

import asyncpg

from emulator.site_database.server import ExternalServer, PostgresServer


class Database:
    """The site database of one test, which can be taken away and given back."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def away(self) -> None:
        await ExternalServer(self.dsn).refuse_sessions()

    async def back(self) -> None:
        await ExternalServer(self.dsn).accept_sessions()

    async def run(self, query: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *args))
        finally:
            await connection.close()

    async def assign(self, smsid: str, policy_id: str, version: str = "1.00", body: bytes = b"") -> None:
        """Publish a policy version and assign it to one client, as the policy provider does."""
        body = body or b"\xff\xfe" + f"<Policy PolicyID='{policy_id}'/>\r\n".encode("utf-16-le")
        await self.run(
            "INSERT INTO Policy (PolicyID, Version, PolicyCategory, PolicyHash, Body, SourceID)"
            " VALUES ($1, $2, 'SoftwareDistribution', 'SHA256:00', $3, 'S0120001')",
            policy_id,
            version,
            body,
        )
        await self.run(
            "INSERT INTO PolicyAssignment (PolicyAssignmentID, PolicyID, Version, LastUpdateTime)"
            " VALUES ('{' || gen_random_uuid() || '}', $1, $2, now())"
            " ON CONFLICT (PolicyID) DO UPDATE SET Version = excluded.Version",
            policy_id,
            version,
        )
        await self._change(smsid, policy_id, "false")

    async def withdraw(self, smsid: str, policy_id: str) -> None:
        await self._change(smsid, policy_id, "true")

    async def _change(self, smsid: str, policy_id: str, tombstoned: str) -> None:
        await self.run(
            "INSERT INTO ResPolicyMap (MachineID, PADBID, IsTombstoned)"
            f" SELECT k.MachineID, a.PADBID, {tombstoned} FROM ClientKeyData k, PolicyAssignment a"
            " WHERE k.SMSID = $1 AND a.PolicyID = $2"
            " ON CONFLICT (MachineID, PADBID) DO UPDATE"
            " SET IsTombstoned = excluded.IsTombstoned, ChangeNumber = nextval('PolicyChange')",
            smsid,
            policy_id,
        )


class Outage:
    """The database away in one of the ways of failure-table.md."""

    def __init__(self, postgres: PostgresServer, way: str) -> None:
        self._postgres, self._way = postgres, way

    async def begin(self, database: Database) -> None:
        match self._way:
            case "stopped":
                await self._postgres.stop()
            case "killed":
                await asyncio.to_thread(self._postgres.kill)
            case "hung":
                self._postgres.suspend()
            case "failing":
                await database.away()

    async def end(self, database: Database) -> None:
        match self._way:
            case "stopped" | "killed":
                await self._postgres.start()
            case "hung":
                self._postgres.resume()
            case "failing":
                await database.back()
