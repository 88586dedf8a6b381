"""A site whose links can carry faults, and clients whose requests they meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.site import Site
from fixtures.topologies import find_topology
from tests.emulator.faults.relay import Relay, start_relay

Enter = Callable[[str], Awaitable[SimulatedClient]]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site(find_topology("four-computers"), speed=60, links=True) as site:
        yield site


@pytest.fixture
async def enter(site: Site, tmp_path: Path) -> AsyncIterator[Enter]:
    """Registers a client of this name."""
    clients: list[SimulatedClient] = []

    async def enter(name: str) -> SimulatedClient:
        settings = ClientSettings(
            name=name,
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=tmp_path / name,
            request_timeout=10.0,
            schedules_enabled=False,
        )
        client = SimulatedClient(settings, site.clock, site.history)
        clients.append(client)
        await client.start()
        await client.register()
        return client

    yield enter
    for client in clients:
        await client.stop()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A link with a small HTTP server behind it; afterwards nothing is left open on it."""
    relay, server = await start_relay()
    yield relay
    await relay.link.stop()
    server.close()


@pytest.fixture
async def raw_relay() -> AsyncIterator[Relay]:
    """The same where no HTTP is spoken, as on the way to the database."""
    relay, server = await start_relay(http=False)
    yield relay
    await relay.link.stop()
    server.close()
