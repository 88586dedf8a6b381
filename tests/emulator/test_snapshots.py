"""A site goes back to what it was, whole or not at all."""

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from emulator.errors import ObjectConflict, ObjectNotFound
from emulator.site import Site
from emulator.snapshots import InvalidSnapshot, Snapshots
from fixtures.administrator import Administrator
from fixtures.packages import PackageSource
from fixtures.topologies import find_topology


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(find_topology("one-computer"), data=tmp_path / "site") as running:
        yield running


class Clients:
    """Two words on disk."""

    def __init__(self) -> None:
        self.state = "before"

    async def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "state").write_text(self.state)

    async def load(self, folder: Path) -> None:
        self.state = (folder / "state").read_text()


async def packages(site: Site) -> list[str]:
    async with Administrator(site.url("site_server"), site.secret) as administrator:
        return [row["Name"] for row in await administrator.query("SMS_Package")]


async def make_package(site: Site, name: str, folder: Path) -> str:
    async with Administrator(site.url("site_server"), site.secret) as administrator:
        source = PackageSource(name).write(folder / name, 1)
        package = await administrator.create_package(name, source)
        await administrator.distribute(package)
        await administrator.until_installed(package, 1)
        return package


async def test_database_files_and_clients_go_back_together(site: Site, tmp_path: Path) -> None:
    clients = Clients()
    snapshots = Snapshots(site, clients)
    kept = await make_package(site, "Kept", tmp_path)
    taken = await snapshots.save("one-package")
    assert [s.name for s in snapshots.list()] == ["one-package"]
    clients.state = "after"
    gone = await make_package(site, "Gone", tmp_path)
    store = site.folder("distribution_point")
    assert list(store.rglob(f"*{gone}*"))

    assert await snapshots.load("one-package") == taken
    assert await packages(site) == ["Kept"]
    assert list(store.rglob(f"*{kept}*"))
    assert not list(store.rglob(f"*{gone}*"))
    assert clients.state == "before"
    again = await make_package(site, "Again", tmp_path)  # the site works on, with the numbers of then
    assert again == gone


async def test_faults_are_lifted_and_a_database_that_is_away_comes_back(site: Site, tmp_path: Path) -> None:
    snapshots = Snapshots(site)
    await snapshots.save("empty")
    await make_package(site, "Gone", tmp_path)
    await site.break_("management_point")
    await site.break_("site_database")
    await snapshots.load("empty")
    assert site.broken == {}
    assert await packages(site) == []
    assert (await site.probe("management_point")).answers


async def test_a_reset_goes_back_to_the_beginning_as_often_as_you_like(site: Site, tmp_path: Path) -> None:
    snapshots = Snapshots(site)
    await snapshots.prepare_reset()
    for name in "One", "Two":
        await make_package(site, name, tmp_path)
        assert await packages(site) == [name]
        await snapshots.reset()
        assert await packages(site) == []


async def test_processes_stay_while_their_roles_go_back(tmp_path: Path) -> None:
    async with Site(find_topology("one-computer"), data=tmp_path / "site", mode="processes") as site:
        snapshots = Snapshots(site)
        await snapshots.prepare_reset()
        before = role_processes(site)
        await make_package(site, "One", tmp_path)
        await snapshots.reset()
        assert await packages(site) == []
        assert role_processes(site) == before

        await site.break_("management_point", "killed")
        await make_package(site, "Two", tmp_path)
        await snapshots.reset()  # heals first: a process that was killed is another one now
        assert await packages(site) == []
        assert len(role_processes(site) & before) == 2
        assert (await site.probe("management_point")).answers
        await snapshots.close()


async def test_a_process_that_dies_while_its_role_rests_is_replaced(tmp_path: Path) -> None:
    async with Site(find_topology("one-computer"), data=tmp_path / "site", mode="processes") as site:
        before = role_processes(site)
        async with site.paused():
            for pid in before:
                assert not psutil.Process(pid).net_connections("inet")
            first = min(before)
            os.kill(first, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(first)], timeout=10)
        assert len(role_processes(site) & before) == 2
        assert all([(await site.probe(role)).answers for role in site.roles])


def role_processes(site: Site) -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if "emulator.role_process" in child.cmdline() and str(site.data) in " ".join(child.cmdline())
    }


async def test_what_cannot_be_loaded_changes_nothing(site: Site, tmp_path: Path) -> None:
    snapshots = Snapshots(site)
    await snapshots.save("old")
    await make_package(site, "Stays", tmp_path)
    manifest = site.data / "snapshots" / "old" / "snapshot.json"
    good = json.loads(manifest.read_text())
    for change, told in (
        ({"format": 99}, "taken by another version"),
        ({"schema": 1}, "taken by another version"),
        ({"topology": "typical"}, "is one of the site typical"),
    ):
        manifest.write_text(json.dumps({**good, **change}))
        with pytest.raises(InvalidSnapshot, match=told):
            await snapshots.load("old")
    manifest.write_text(json.dumps(good))
    with pytest.raises(ObjectNotFound, match="no snapshot 'young'; there are: old"):
        await snapshots.load("young")
    with pytest.raises(InvalidSnapshot, match="no name of a snapshot"):
        await snapshots.save("../outside")
    with pytest.raises(ObjectConflict, match="already"):
        await snapshots.save("old")
    assert await packages(site) == ["Stays"]
    await snapshots.delete("old")
    assert snapshots.list() == []
    await snapshots.save("old")
