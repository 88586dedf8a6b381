"""A site goes back to what it was, whole or not at all."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from emulator.errors import ObjectConflict, ObjectNotFound
from emulator.site import Site
from emulator.site_database.schema import SCHEMA_VERSION, drop_database
from emulator.snapshots import FORMAT, InvalidSnapshot, Snapshots
from fixtures.administrator import Administrator
from fixtures.packages import PackageSource
from fixtures.topologies import find_topology
from tests.emulator.clients_of_a_word import Clients
from tests.patience import PATIENT


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(find_topology("one-computer"), data=tmp_path / "site", **PATIENT) as running:
        yield running


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
    await site.set_fault({"kind": "skewed_clock", "on": "distribution_point", "seconds": 60.0})
    await site.break_("management_point")
    await site.break_("site_database")
    await snapshots.load("empty")
    assert site.broken == {}
    assert not any(fault.active for fault in site.faults())
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
    async with Site(
        find_topology("one-computer"), data=tmp_path / "site", mode="processes", **PATIENT
    ) as site:
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
    async with Site(
        find_topology("one-computer"), data=tmp_path / "site", mode="processes", **PATIENT
    ) as site:
        before = role_processes(site)
        async with site.paused():
            for pid in before:
                assert not psutil.Process(pid).net_connections("inet")
            first = psutil.Process(min(before))  # looked up while it is there: whoever reaps it may be quick
            first.kill()
            psutil.wait_procs([first], timeout=10)
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
    with pytest.raises(ObjectNotFound, match="no snapshot 'young'; valid: old"):
        await snapshots.load("young")
    with pytest.raises(InvalidSnapshot, match="no name of a snapshot"):
        await snapshots.save("../outside")
    with pytest.raises(ObjectConflict, match="already"):
        await snapshots.save("old")
    assert await packages(site) == ["Stays"]
    await snapshots.delete("old")
    assert snapshots.list() == []
    await snapshots.save("old")


# What a manifest may hold that is none of this version's, and what is said of it.
UNUSABLE = {
    "later": ('{"format": 2, "schema": 1, "kind": "incremental", "name": "later"}', "another version"),
    "torn": ('{"name": "torn", "tak', "is not whole"),
    "list": ("[]", "is not whole"),
    "bare": (json.dumps({"format": FORMAT, "schema": SCHEMA_VERSION}), "is not whole"),
}


async def test_a_bad_manifest_is_told_and_does_not_keep_the_others_from_use(site: Site) -> None:
    snapshots = Snapshots(site)
    await snapshots.prepare_reset()
    for name, (text, _) in UNUSABLE.items():
        (site.data / "snapshots" / name).mkdir()
        (site.data / "snapshots" / name / "snapshot.json").write_text(text)
    assert [snapshot.name for snapshot in snapshots.list()] == ["initial"]
    assert set(snapshots.unusable()) == set(UNUSABLE)
    await snapshots.reset()
    for name, (_, told) in UNUSABLE.items():
        assert told in snapshots.unusable()[name]
        with pytest.raises(InvalidSnapshot, match=told):
            await snapshots.load(name)
        await snapshots.delete(name)
    assert snapshots.unusable() == {}


async def test_one_without_its_database_is_refused_before_anything_is_healed(site: Site) -> None:
    snapshots = Snapshots(site)
    await snapshots.save("bare")
    await drop_database(site.maintenance_dsn, "snapshot_bare")
    await site.break_("management_point")
    with pytest.raises(InvalidSnapshot, match="has no database snapshot_bare"):
        await snapshots.load("bare")
    assert site.broken == {"management_point": "stopped"}


async def test_what_a_reset_goes_back_to_stays_while_it_can_be_used(site: Site) -> None:
    snapshots = Snapshots(site)
    with pytest.raises(ObjectNotFound):
        await snapshots.delete("initial")
    await snapshots.prepare_reset()
    with pytest.raises(ObjectConflict, match="what a reset goes back to"):
        await snapshots.delete("initial")
    with pytest.raises(ObjectConflict, match="take another name"):
        await snapshots.save("initial")
    await snapshots.reset()
    manifest = site.data / "snapshots" / "initial" / "snapshot.json"
    manifest.write_text("{}")
    with pytest.raises(InvalidSnapshot, match="not whole"):
        await snapshots.reset()
    await snapshots.prepare_reset()  # as the next start of the site does
    assert (await snapshots.reset()).name == "initial"
    await snapshots.close()
