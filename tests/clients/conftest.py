"""Clients under test, and a small site for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.clock import Clock, ClockSettings
from emulator.history import History
from tests.clients.fake_management_point import SITE_CODE, FakeSite
from tests.lapse import Lapse


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[FakeSite]:
    fake = FakeSite(tmp_path / "packages")
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def lapse(tmp_path: Path) -> Lapse:
    """A clock that stands still; give it to a client, then let time pass."""
    return Lapse(tmp_path)


MakeClient = Callable[..., SimulatedClient]


@pytest.fixture
async def make_client(site: FakeSite, tmp_path: Path) -> AsyncIterator[MakeClient]:
    """Makes clients (same name: same folder); those still alive are stopped at the end."""
    made: list[SimulatedClient] = []
    history = History()

    def make(
        name: str = "PC01",
        *,
        speed: float = 1.0,
        clock: Clock | None = None,
        lapse: Lapse | None = None,
        **changes: object,
    ) -> SimulatedClient:
        told = history
        if lapse is not None:
            clock, told = lapse.clock.of(name), lapse.history
        values: dict[str, object] = {
            "name": name,
            "management_point": site.mp.url,
            "site_code": SITE_CODE,
            "data": tmp_path / name,
            "schedules_enabled": False,
            "request_timeout": 30.0,  # nobody here is silent
        }
        settings = ClientSettings.model_validate(values | changes)
        made.append(SimulatedClient(settings, clock or Clock(ClockSettings(speed=speed)), told))
        return made[-1]

    yield make
    for client in made:
        await client.stop()


@pytest.fixture
async def client(make_client: MakeClient) -> SimulatedClient:
    """A registered client without schedules."""
    made = make_client()
    await made.start()
    await made.register()
    return made
