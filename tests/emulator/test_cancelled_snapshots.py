"""A caller who goes while a site is saved or goes back leaves the site whole: the deed ends first."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.role_host import InProcessHost
from emulator.site import Site
from emulator.site_database.spare import SpareDatabase
from emulator.snapshots import Snapshots
from fixtures.topologies import find_topology
from tests.emulator.clients_of_a_word import Clients
from tests.patience import PATIENT

CHANGE = "UPDATE Collections SET Comment = $1 WHERE CollectionID = 'SMS00001'"
ASK = "SELECT Comment FROM Collections WHERE CollectionID = 'SMS00001'"


# Where the caller goes, in their order.
STEPS: tuple[tuple[type[Any], str], ...] = (
    (InProcessHost, "rest"),
    (SpareDatabase, "put_in_place"),
    (Snapshots, "_put_files_back"),
    (Clients, "load"),
    (InProcessHost, "go_on"),
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(find_topology("one-computer"), data=tmp_path / "site", **PATIENT) as running:
        yield running


async def leave_at(
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[type[Any], str],
    deed: Callable[[], Awaitable[object]],
    *,
    after: bool = False,
) -> None:
    """Cancel who does it as soon as the step has begun, or is over, and wait for him."""
    owner, name = step
    begun = asyncio.Event()
    original = getattr(owner, name)

    @functools.wraps(original)
    async def told(*args: Any, **kwargs: Any) -> Any:
        if not after:
            begun.set()
            await asyncio.sleep(0)  # the caller goes now
        done = await original(*args, **kwargs)
        begun.set()
        await asyncio.sleep(0)
        return done

    async def caller() -> None:
        await deed()

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, told)
        at_work = asyncio.create_task(caller())
        await begun.wait()
        at_work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at_work


async def set_comment(site: Site, comment: str) -> None:
    async with site.database() as db:
        await db.execute(CHANGE, comment)


async def comment(site: Site) -> object:
    async with site.database() as db:
        return await db.fetchval(ASK)


async def test_a_load_whose_caller_goes_is_done_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    snapshots = Snapshots(site, clients)
    await set_comment(site, "kept")
    await snapshots.save("kept")
    file = site.folder("management_point") / "later"
    for step in STEPS:
        await set_comment(site, "later")
        clients.state = "later"
        file.write_text("later")
        await leave_at(monkeypatch, step, functools.partial(snapshots.load, "kept"))
        assert (step, await comment(site), clients.state, file.exists()) == (step, "kept", "before", False)
        assert {role: (await site.probe(role)).answers for role in site.roles} == dict.fromkeys(
            site.roles, True
        )
    await snapshots.close()


async def test_a_snapshot_whose_taker_goes_is_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = Snapshots(site, Clients())
    steps = ((InProcessHost, "rest"), (Clients, "save"), (InProcessHost, "go_on"))
    for number, step in enumerate(steps):
        await leave_at(monkeypatch, step, functools.partial(snapshots.save, f"number-{number}"))
        assert all([(await site.probe(role)).answers for role in site.roles])
        assert len(snapshots.list()) == number + 1
        await snapshots.load(f"number-{number}")
    await snapshots.close()


async def test_one_that_is_forgotten_by_somebody_who_goes_is_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(site)
    await snapshots.save("once")
    await leave_at(monkeypatch, (SpareDatabase, "forget"), functools.partial(snapshots.delete, "once"))
    assert not (site.data / "snapshots" / "once").exists()
    await snapshots.save("once")


async def test_whoever_goes_while_roles_come_to_rest_leaves_them_running(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def still() -> None:
        async with site.paused():
            await asyncio.Event().wait()

    await leave_at(monkeypatch, (InProcessHost, "rest"), still, after=True)
    assert all([(await site.probe(role)).answers for role in site.roles])
