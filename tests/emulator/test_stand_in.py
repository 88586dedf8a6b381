"""What stands on a port while a role is away behaves like a failing or a frozen server."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import aiohttp
import pytest

from emulator.addresses import free_port, own_hosts
from emulator.clock import Clock
from emulator.errors import FaultRefused
from emulator.faults.outage import OUTAGES, outage
from emulator.faults.stand_in import BlackHole, Door, ServiceUnavailable
from emulator.pki import Pki
from emulator.role_host import door_of
from emulator.settings import RoleAddress, RoleSettings

(HOST,) = own_hosts(1)


async def test_service_unavailable_answers_503_to_any_verb() -> None:
    port = free_port(HOST)
    stand_in = Door(HOST, port, ServiceUnavailable)
    await stand_in.start()
    async with aiohttp.ClientSession() as session:
        for verb in ("GET", "PUT", "CCM_POST"):
            async with session.request(verb, f"http://{HOST}:{port}/x", data=b"y" * 100) as reply:
                assert reply.status == 503
    await stand_in.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, port)


async def test_a_black_hole_accepts_and_never_answers() -> None:
    port = free_port(HOST)
    stand_in = Door(HOST, port, BlackHole)
    await stand_in.start()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    await stand_in.stop()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read(1) == b""
    writer.close()


def test_an_unknown_fault_lists_the_valid_ones() -> None:
    with pytest.raises(FaultRefused, match="unknown fault 'sleepy'; valid: stopped, killed, hung, failing"):
        outage("sleepy")


def test_every_fault_is_named_as_in_the_table() -> None:
    assert list(OUTAGES) == ["stopped", "killed", "hung", "failing", "partitioned"]


async def test_a_role_away_stands_in_on_its_tls_port_too(tmp_path: Path) -> None:
    ports = free_port(HOST), free_port(HOST)
    role = RoleAddress(
        name="mp", kind="management_point", computer="MP1", host=HOST, port=ports[0], https_port=ports[1]
    )
    settings = RoleSettings(
        role=role, site_code="S01", roles=(role,), data=tmp_path, secret="s", pki=tmp_path / "pki"
    )
    trust = ssl.create_default_context(cafile=Pki(tmp_path / "pki", Clock()).authority_certificate())
    door = await door_of(settings, ServiceUnavailable)
    await door.start()
    async with aiohttp.ClientSession() as session:
        for url in role.url, role.https_url:
            async with session.get(f"{url}/x", ssl=trust) as reply:
                assert reply.status == 503
    await door.stop()
    door = await door_of(settings, BlackHole)
    await door.start()
    for port in ports:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"\x16\x03\x01")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        writer.close()
    await door.stop()
