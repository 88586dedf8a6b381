"""A management point on a real socket and a real database, a client, and a site server's inboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emulator.protocol.signing import create_signer
from emulator.site_database.server import PostgresServer
from tests.management_point.database import Database, Outage
from tests.management_point.lab import NOW, Client, Lab

# Keys are slow to make: two for the whole session.
SIGNERS = [create_signer("ConfigMgr Client", NOW) for _ in range(2)]


@pytest.fixture
async def lab(tmp_path: Path, site_dsn: str) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path / "mp", Database(site_dsn))
    await lab.inboxes.start()
    await lab.role.start()
    yield lab
    await lab.http.close()
    await lab.role.stop()
    await lab.inboxes.stop()
    await lab.database.back()


@pytest.fixture
async def client(lab: Lab) -> Client:
    """Registered."""
    client = Client(lab, "PC01", SIGNERS[0])
    assert (await client.register()).status == 200
    return client


@pytest.fixture(params=["stopped", "killed", "hung", "failing"])
async def outage(request: pytest.FixtureRequest, postgres: PostgresServer, lab: Lab) -> AsyncIterator[Outage]:
    outage = Outage(postgres, request.param)
    yield outage
    await outage.end(lab.database)


@pytest.fixture
def stranger(lab: Lab) -> Client:
    """Not registered."""
    return Client(lab, "PC02", SIGNERS[1])


@pytest.fixture
async def closed(lab: Any) -> Any:
    """Nothing leaves the outboxes, so nothing can be stored unseen."""
    await lab.inboxes.stop()
    return lab
