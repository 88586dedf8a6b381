"""A chaos script, run as a person would, on the lab of docker/compose.yml as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fixtures.lab.address_space import claim, release
from fixtures.lab.engine import compose, docker

DOCKER = Path(__file__).parents[2] / "docker"
PORTS = (8080, 8081, 8082, 8083, 5432)  # what the lab publishes on loopback
LAB = "cmemu-chaos-test"


def taken(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


MESSAGE = re.compile(r"report made.*message_id='(\{[^}]+\})'")


@pytest.fixture
async def lab(image: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The lab, up and healthy; removed afterwards with everything it kept."""
    if busy := [port for port in PORTS if taken(port)]:
        pytest.skip(f"somebody else has the ports that the lab publishes: {busy}")
    for name, value in {
        "CMEMU_LAB": LAB,
        "CMEMU_NET": await claim(LAB),
        "CMEMU_IMAGE": image,
        "CMEMU_SECRET": "s3",
    }.items():
        monkeypatch.setenv(name, value)
    file = DOCKER / "compose.yml"
    try:
        await compose(file, LAB, "up", "-d", "--scale", "client=2")
        async with asyncio.timeout(240):
            while await unhealthy():  # noqa: ASYNC110 - an engine is asked, it does not tell
                await asyncio.sleep(0.2)
        yield
    finally:
        await compose(file, LAB, "down", "--volumes", "--timeout", "5")
        await release(LAB)


async def unhealthy() -> list[str]:
    names = [f"{LAB}-{computer}" for computer in ("sitesrv", "sql1", "mp1", "dp1", "dp2")]
    found = await docker("inspect", "-f", "{{.State.Health.Status}} {{.Name}}", *names)
    return [line for line in found.splitlines() if not line.startswith("healthy ")]


async def test_one_cable(lab: None) -> None:
    process = await asyncio.create_subprocess_exec(
        str(DOCKER / "chaos" / "one-link-cut.sh"),
        env=os.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    told = output.decode()
    assert process.returncode == 0, told
    assert "NOT" not in told
    assert told.rstrip().endswith("As documented.")


async def test_a_message_is_followed_through_the_product_s_logs(lab: None) -> None:
    client = "label=com.docker.compose.service=client"
    found = await docker("ps", "--format", "{{.Names}}", "--filter", f"name={LAB}", "--filter", client)
    name = found.splitlines()[0]
    async with asyncio.timeout(180):  # containers are asked, they do not tell
        while not (reports := MESSAGE.findall(await logs(name, "/*/InventoryAgent.log"))):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        for computer in ("mp1", "sitesrv"):
            while reports[0] not in await logs(f"{LAB}-{computer}", "/*.log"):  # noqa: ASYNC110
                await asyncio.sleep(0.5)


async def logs(container: str, files: str) -> str:
    """What the product's logs of a container say; nothing while there are none."""
    return await docker("exec", container, "sh", "-c", f"cat /data/logs{files} 2>/dev/null || true")
