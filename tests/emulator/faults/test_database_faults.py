"""A site database that is there and no help, and then helps again: nothing of it is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.errors import CannotStart, FaultRefused, SiteDatabaseUnavailable
from emulator.faults import database_faults
from emulator.site import Site
from emulator.site_database.disturbance import set_read_only
from fixtures.topologies import find_topology
from tests.clients.until import until

ROLES = ("site_server", "management_point")  # each asks the database when it is probed
CHANGE = "UPDATE Collections SET Comment = 'changed' WHERE CollectionID = 'SMS00001'"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site(find_topology("one-computer"), speed=60) as site:
        yield site


async def test_read_only_that_comes_half_way_leaves_nothing_behind(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_short(dsn: str, *, read_only: bool) -> int:
        await set_read_only(dsn, read_only=read_only)
        if read_only:
            raise SiteDatabaseUnavailable("the session was lost")
        return 0

    monkeypatch.setattr(database_faults, "set_read_only", cut_short)
    with pytest.raises(SiteDatabaseUnavailable, match="the session was lost"):
        await site.set_fault({"kind": "database_read_only", "on": "site_database"})
    assert site.faults() == []
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


async def test_read_only(site: Site) -> None:
    fault = await site.set_fault({"kind": "database_read_only", "on": "site_database"})
    async with site.database() as db:
        assert await db.fetchval("SELECT count(*) FROM Collections")
        with pytest.raises(SiteDatabaseUnavailable, match="read-only transaction"):
            await db.execute(CHANGE)
    assert (await site.probe("site_server", 5)).answers  # it reads
    done = await site.lift_fault(fault)
    assert "is reset" in done["site_database"]
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


async def test_out_of_connections(site: Site) -> None:
    fault = await site.set_fault({"kind": "database_out_of_connections", "on": "site_database"})
    probe = await site.probe("site_database")
    assert not probe.answers
    assert "too many clients" in probe.seen
    for role in ROLES:
        assert "HTTP 500" in (await site.probe(role, 5)).seen
    await site.lift_fault(fault)
    await answering(site)


async def test_restarting(site: Site) -> None:
    async def started() -> object:
        try:
            async with site.database() as db:
                return await db.fetchval("SELECT pg_postmaster_start_time()")
        except SiteDatabaseUnavailable:
            return None

    times = {await started()}
    fault = await site.set_fault({"kind": "database_restarting", "on": "site_database", "pause": 0.2})
    async with asyncio.timeout(120):
        while len(times - {None}) < 3:  # before, and two restarts at least
            times.add(await started())
    await site.lift_fault(fault)
    last = await started()
    assert last is not None
    async with site.database() as db:  # one session, which no restart ends
        await db.fetchval("SELECT pg_sleep(0.5)")
    assert await started() == last


async def test_a_restart_that_fails_is_made_up_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    host = site.host("site_database")
    start, tries = host.start, 0

    async def fails_once() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise CannotStart("the machine was busy")
        return await start()

    fault = await site.set_fault({"kind": "database_restarting", "on": "site_database", "pause": 0.05})
    monkeypatch.setattr(host, "start", fails_once)
    await until(lambda: tries >= 3)
    await site.lift_fault(fault)
    assert (await site.probe("site_database", 20)).answers


async def test_slow(site: Site) -> None:
    async def seconds() -> float:
        async with site.database(timeout=30) as db:
            began = time.monotonic()
            for _ in range(300):
                await db.fetchval("SELECT 1")
            return time.monotonic() - began

    fault = await site.set_fault(
        {"kind": "database_slow", "on": "site_database", "share": 0.95, "period": 0.4}
    )
    slow = await seconds()
    await site.lift_fault(fault)
    assert slow > 0.38  # it stood still at least once
    assert (await site.probe("site_database", 5)).answers


async def test_a_slow_database_that_is_hung_is_not_woken(site: Site) -> None:
    await site.set_fault({"kind": "database_slow", "on": "site_database", "share": 0.5, "period": 0.05})
    hung = await site.set_fault({"kind": "hung", "on": "site_database"})
    assert not (await site.probe("site_database", 0.5)).answers
    await site.lift_fault(hung)
    assert (await site.probe("site_database", 10)).answers
    await site.lift_faults()


async def test_a_database_that_is_away_is_not_made_worse(site: Site) -> None:
    await site.break_("site_database", "stopped")
    for kind in ("database_read_only", "database_out_of_connections", "database_restarting", "database_slow"):
        with pytest.raises(FaultRefused, match=f"{kind}: site_database is away \\(stopped\\)"):
            await site.set_fault({"kind": kind, "on": "site_database"})
    assert site.faults() == []
    await site.heal()


async def test_a_fault_whose_time_is_over_while_the_database_is_away_is_lifted_when_it_is_back(
    site: Site,
) -> None:
    await site.set_clock(frozen=True)
    await site.set_fault({"kind": "database_read_only", "on": "site_database", "duration": 30})
    await site.break_("site_database")
    await site.set_clock(advance=30)
    await until(lambda: ("fail", "lift_fault") in [(e.phase, e.what) for e in site.history.events])
    assert not site.faults()[0].lifted
    await site.heal()
    await until(lambda: site.faults()[0].lifted)
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


async def test_where_no_connection_is_left_everything_can_be_lifted_all_the_same(site: Site) -> None:
    read_only = await site.set_fault({"kind": "database_read_only", "on": "site_database"})
    crowded = await site.set_fault({"kind": "database_out_of_connections", "on": "site_database"})
    with pytest.raises(SiteDatabaseUnavailable, match="TooManyConnections"):
        await site.lift_fault(read_only)
    assert [status.lifted for status in site.faults()] == [False, False]
    assert await site.heal_everything() == {read_only: "lifted", crowded: "lifted"}
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


async def test_a_fault_whose_time_is_over_while_another_keeps_it_from_being_lifted(site: Site) -> None:
    await site.set_clock(frozen=True)
    await site.set_fault({"kind": "database_read_only", "on": "site_database", "duration": 30})
    crowded = await site.set_fault({"kind": "database_out_of_connections", "on": "site_database"})
    await site.set_clock(advance=30)
    await until(lambda: ("fail", "lift_fault") in [(e.phase, e.what) for e in site.history.events])
    await site.lift_fault(crowded)
    await until(lambda: all(status.lifted for status in site.faults()))
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


async def test_where_no_connection_is_left_nothing_more_is_set(site: Site) -> None:
    await site.set_fault({"kind": "database_out_of_connections", "on": "site_database"})
    with pytest.raises(SiteDatabaseUnavailable, match="TooManyConnections"):
        await site.set_fault({"kind": "database_read_only", "on": "site_database"})
    await site.lift_faults()
    async with site.database() as db:
        assert await db.execute(CHANGE) == "UPDATE 1"


@pytest.mark.parametrize("kind", ["database_read_only", "failing"])
async def test_a_kept_folder_keeps_no_fault(tmp_path: Path, kind: str) -> None:
    tmp_path.chmod(0o755)
    for _ in range(2):
        async with Site(find_topology("one-computer"), data=tmp_path / "site") as site:
            async with site.database() as db:
                await db.execute(CHANGE)
            await site.set_fault({"kind": kind, "on": "site_database"})
            await site.host("site_database").kill()  # so that nobody can take it back in order


async def answering(site: Site) -> None:
    """Until every role that asks the database is served again."""
    for role in ROLES:
        async with asyncio.timeout(20):
            while True:
                if "HTTP 200" in (await site.probe(role, 5)).seen:
                    break
                await asyncio.sleep(0.02)
