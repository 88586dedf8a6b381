"""A full disk refuses reports with a status, loses none that was taken, and is a disk again afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.errors import FaultRefused
from emulator.site import MODES, Mode, Site
from fixtures.topologies import find_topology
from tests.clients.until import until
from tests.patience import PATIENT


async def set_or_skip(site: Site, on: str) -> str:
    try:
        return await site.set_fault({"kind": "disk_full", "on": on})
    except FaultRefused as exc:
        if "cannot be mounted" not in str(exc):
            raise
        pytest.skip(str(exc))


async def client_of(site: Site, folder: Path) -> SimulatedClient:
    settings = ClientSettings(
        name="PC01", management_point=site.url("management_point"), site_code=site.site_code, data=folder,
        request_timeout=10.0, schedules_enabled=False,
    )  # fmt: skip
    client = SimulatedClient(settings, site.clock, site.history)
    await client.start()
    await client.register()
    return client


@pytest.mark.parametrize("mode", MODES)
async def test_outbox_and_inbox(tmp_path: Path, mode: Mode) -> None:
    async with Site(find_topology("four-computers"), mode=mode, speed=600, **PATIENT) as site:
        client = await client_of(site, tmp_path)
        try:
            # A full inbox: the management point keeps what it has acknowledged.
            inbox = await set_or_skip(site, "site_server")
            await client.discovery_agent.heartbeat()
            result = await client.messaging.flush()
            assert (result.sent, result.held) == (1, 0)
            outbox = site.folder("management_point") / "outboxes"
            await until(lambda: list(outbox.glob("ddr.box/*")))

            # A full outbox besides: the client keeps its report, the outbox still has the first one.
            full = await site.set_fault({"kind": "disk_full", "on": "management_point"})
            assert len(list(outbox.glob("ddr.box/*"))) == 1
            await client.discovery_agent.heartbeat()
            assert (await client.messaging.flush()).held == 1
            refused = [e for e in site.history.events if e.who == "PC01" and e.phase in ("fail", "unknown")]
            assert "507" in str(refused[-1].detail)

            # Lifted, both arrive.
            await site.lift_fault(inbox)
            await site.lift_fault(full)
            assert (await client.messaging.flush()).held == 0
            await until(lambda: not list(outbox.glob("ddr.box/*.*")), seconds=30)
        finally:
            await client.stop()
        assert not any(folder.is_mount() for folder in site.data.rglob("*") if folder.is_dir())


async def test_the_cache_of_a_client(tmp_path: Path) -> None:
    async with Site(find_topology("one-computer"), speed=600, **PATIENT) as site:
        (tmp_path / "cache").mkdir()
        with pytest.raises(FaultRefused, match="nothing is called 'PC01'"):
            await site.set_fault({"kind": "disk_full", "on": "PC01"})
        site.client_folders["PC01"] = tmp_path
        fault = await set_or_skip(site, "PC01")
        with pytest.raises(OSError, match="No space left on device"):
            (tmp_path / "cache" / "x").write_bytes(b"x" * 5000)
        with pytest.raises(FaultRefused, match=r"disk_full: PC01 has it already \(disk_full-1\)"):
            await site.set_fault({"kind": "disk_full", "on": "PC01"})
        await site.lift_fault(fault)
        (tmp_path / "cache" / "x").write_bytes(b"x" * 5000)


async def test_it_is_lifted_when_the_site_stops(tmp_path: Path) -> None:
    site = Site(find_topology("one-computer"), data=tmp_path / "site")
    tmp_path.chmod(0o755)
    async with site:
        await set_or_skip(site, "management_point")
        assert (site.folder("management_point") / "outboxes").is_mount()
    assert not (site.folder("management_point") / "outboxes").is_mount()
    assert [status.active for status in site.faults()] == [False]
