"""The container's health check, against servers that answer, refuse, and say nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from emulator import health
from emulator.control.models import STAGES
from emulator.site_database.server import PostgresServer

Check = dict[str, object]


@pytest.fixture
async def role() -> AsyncIterator[Check]:
    """A role that answers with the status that its path asks for, to those who show the secret."""

    async def answer(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization") == "Bearer s3"
        return web.Response(status=int(request.match_info["status"]) if shown else 503)

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield {"role": "mp", "host": "127.0.0.1", "port": site.port, "path": "/200", "secret": "s3"}
    await runner.cleanup()


async def checked(folder: Path, *stage: str) -> tuple[int, str]:
    """Run it as the container does: alone, without site-packages."""
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(health.__file__),
        *stage,
        env=os.environ | {"CMEMU_DATA": str(folder)},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("status", "healthy"),
    [("200", True), ("404", True), ("500", True), ("503", False)],
    ids=["works", "refuses", "another role is away", "fails"],
)
async def test_a_role_that_answers_is_well(role: Check, tmp_path: Path, status: str, healthy: bool) -> None:
    health.write_checks(tmp_path, [role | {"path": f"/{status}"}])
    found, told = await checked(tmp_path)
    assert (found == 0) == healthy, told


@pytest.mark.parametrize(("status", "ready"), [("200", True), ("404", True), ("500", False), ("503", False)])
async def test_it_is_ready_when_nothing_it_needs_is_away(
    role: Check, tmp_path: Path, status: str, ready: bool
) -> None:
    health.write_checks(tmp_path, [role | {"path": f"/{status}"}])
    found, told = await checked(tmp_path, "ready")
    assert (found, told) == ((0, "1 roles are ready\n") if ready else (1, f"mp: HTTP {status}\n"))


async def test_an_unknown_stage_is_refused_with_the_valid_ones(tmp_path: Path) -> None:
    assert await checked(tmp_path, "well") == (2, "unknown stage 'well'; valid: seeded, ready\n")


def test_its_stages_are_the_control_api_s() -> None:
    assert STAGES[-2:] == health.STAGES


async def test_a_role_that_is_gone_is_named(tmp_path: Path, role: Check) -> None:
    gone = role | {"role": "dp", "port": 9}
    health.write_checks(tmp_path, [role, gone])
    assert await checked(tmp_path) == (1, "dp: ConnectionRefusedError: [Errno 111] Connection refused\n")


async def test_nothing_is_well_before_it_is_ready(tmp_path: Path) -> None:
    status, told = await checked(tmp_path)
    assert status == 1
    assert "nothing is ready yet" in told


async def test_postgresql_is_asked_in_its_own_words(
    postgres: PostgresServer, role: Check, tmp_path: Path
) -> None:
    database = {"role": "site_database", "host": postgres.host, "port": postgres.port}
    health.write_checks(tmp_path, [database])
    assert await checked(tmp_path) == (0, "1 roles answer\n")
    # Something else on the port is not PostgreSQL.
    health.write_checks(tmp_path, [{"role": "site_database", "host": role["host"], "port": role["port"]}])
    assert (await checked(tmp_path))[0] == 1


def test_the_secret_is_nobody_elses_to_read(tmp_path: Path) -> None:
    health.write_checks(tmp_path, [])
    assert (tmp_path / health.FILE).stat().st_mode & 0o077 == 0
