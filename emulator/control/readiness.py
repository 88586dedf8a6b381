"""How far each role of a site has come, seen from outside: nothing here is believed, everything is asked."""

from __future__ import annotations

import asyncio

from emulator.clock import real_time
from emulator.control.models import STAGES, Health, RoleHealth, Stage
from emulator.errors import SiteDatabaseUnavailable
from emulator.settings import DATABASES, RoleAddress
from emulator.site import Site

PATIENCE = 4.0  # real seconds for one question: less than who asks for our stage may wait


class Readiness:
    """Asks the roles, and remembers since when they have been where they are."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._seen: dict[str, tuple[Stage, float]] = {}

    async def health(self) -> Health:
        """Ask all of them at once."""
        entered = await self._entered()
        roles = await asyncio.gather(*(self._of(role, entered) for role in self._site.roles.values()))
        lowest = min(roles, key=lambda role: STAGES.index(role.stage))
        return Health(stage=lowest.stage, roles=list(roles))

    async def _entered(self) -> set[str] | None:
        """The computers of the site systems that the site server has entered; None without a database."""
        try:
            async with self._site.database(PATIENCE) as database:
                rows = await database.fetch("SELECT DISTINCT upper(ServerName) AS name FROM SysResList")
        except SiteDatabaseUnavailable:
            return None
        return {row["name"] for row in rows}

    async def _of(self, role: RoleAddress, entered: set[str] | None) -> RoleHealth:
        stage, reason = await self._stage(role, entered)
        was = self._seen.get(role.name)
        if was is None or was[0] != stage:
            self._seen[role.name] = was = (stage, real_time())
        return RoleHealth(role=role.name, stage=stage, reason=reason, since=was[1])

    async def _stage(self, role: RoleAddress, entered: set[str] | None) -> tuple[Stage, str]:
        fault = self._site.broken.get(role.name)
        if fault:
            return "offline", f"taken away: {fault}"
        seen = await self._site.probe(role.name)
        if role.kind in DATABASES:
            if not seen.answers:
                return "starting", seen.seen
            return (
                ("ready", seen.seen) if entered else ("database_reachable", "no site system is entered yet")
            )
        if not seen.answers:
            return "starting", seen.seen
        if entered is None:
            return "starting", f"{seen.seen}; the site database cannot be reached"
        if role.computer.upper() not in entered:
            return "database_reachable", f"{seen.seen}; the site server has not entered {role.computer} yet"
        if seen.status is not None and seen.status >= 500:
            return "seeded", seen.seen
        return "ready", seen.seen


def reached(health: Health, stage: Stage) -> bool:
    """Whether every role has come as far."""
    return STAGES.index(health.stage) >= STAGES.index(stage)
