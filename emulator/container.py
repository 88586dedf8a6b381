"""What runs in a container: every role of one computer, PostgreSQL among them if it stands there.

The container's main process. It ends in order on SIGTERM, and with an error when one of its
roles cannot go on, so that the engine's restart policy sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.ending_signals import hear_of_ending
from emulator.errors import CannotStart, SiteDatabaseUnavailable
from emulator.health import write_checks
from emulator.logs import get_logger
from emulator.placement import DATABASE_PORT, HERE
from emulator.probed_site import PROBES
from emulator.role_process import make_role
from emulator.settings import RoleAddress, RoleSettings
from emulator.site_database.schema import ensure_schema
from emulator.site_database.server import PostgresServer

SCHEMA_SECONDS = 120.0  # real; how long the first start of a role waits for the site database
STARTED = "started"  # a file in a role's folder: it has met its site database once

log = get_logger("container")


async def run_computer(roles: Sequence[RoleSettings], data: Path) -> None:
    """Run the roles until SIGTERM, SIGINT or SIGHUP.

    Raises:
        CannotStart: with the reason; also when PostgreSQL ends by itself.
    """
    ending = asyncio.Event()
    hear_of_ending(lambda number: ending.set())
    running = asyncio.create_task(_run(roles, data))
    told = asyncio.create_task(ending.wait())
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, told):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _run(roles: Sequence[RoleSettings], data: Path) -> None:
    database = next((s for s in roles if s.role.kind == "site_database"), None)
    server = _server(database) if database else None
    others = [make_role(s) for s in roles if s.role.kind != "site_database"]
    started = []
    try:
        if server:
            await server.start()
        for settings in roles:
            await _first_meeting(settings)
        for role in others:
            started.append(role)
            await role.start()
        write_checks(data, checks_of([s.role for s in roles], roles[0].secret))
        print("ready", flush=True)
        if server:
            await server.ended()
            raise CannotStart(f"PostgreSQL has ended; see {server.log}")
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(*(role.stop() for role in started), return_exceptions=True)
        if server:
            await server.stop()


def _server(settings: RoleSettings) -> PostgresServer:
    return PostgresServer(
        settings.data, HERE, DATABASE_PORT, listen=settings.listen, password=settings.secret
    )


async def _first_meeting(settings: RoleSettings) -> None:
    """Before its very first start a role waits for the site database, and sees to its tables.

    Later it starts whether the database is there or not, as a computer that is switched on does.

    Raises:
        CannotStart: the database did not answer for two minutes, or is no site database of this site.
    """
    mark = settings.data / STARTED
    if settings.database is None or mark.exists():
        return
    site_server = settings.of_kind("site_server")[0]
    deadline = asyncio.get_running_loop().time() + SCHEMA_SECONDS
    last = ""
    while True:
        try:
            await ensure_schema(
                settings.database,
                site_code=settings.site_code,
                site_name=settings.site_name,
                server_name=site_server.computer,
            )
            break
        except SiteDatabaseUnavailable as exc:
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"{settings.role.name}: {exc}") from exc
            if str(exc) != last:
                last = str(exc)
                log.info("waiting for the site database", role=settings.role.name, reason=last)
            await asyncio.sleep(0.25)
    settings.data.mkdir(parents=True, exist_ok=True)
    mark.touch()


def checks_of(roles: Sequence[RoleAddress], secret: str) -> list[dict[str, Any]]:
    """What the container's health check asks, always from inside."""
    return [
        {"role": role.name, "host": HERE, "port": role.port}
        | ({"path": PROBES[role.kind], "secret": secret} if role.kind in PROBES else {})
        for role in roles
    ]
