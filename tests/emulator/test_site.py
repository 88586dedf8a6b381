"""A site starts what its topology names, and is broken and healed from outside."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.errors import CannotStart, FaultRefused, TopologyError
from emulator.site import MODES, Mode, Site
from emulator.topology import Topology, load_topology
from tests.patience import PATIENT

SITES = Path(__file__).parents[2] / "fixtures" / "sites"


def topology(name: str) -> Topology:
    return load_topology(SITES / f"{name}.toml")


@pytest.fixture(params=MODES)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with Site(topology("typical"), mode=request.param, speed=60) as site:
        yield site


async def answering(site: Site) -> set[str]:
    # Longer than a role waits for a frozen database before it says so: up to twice its timeout.
    probes = await asyncio.gather(*(site.probe(name, 5.0) for name in site.roles))
    return {name for name, probe in zip(site.roles, probes, strict=True) if probe.answers}


async def test_every_role_of_every_way_to_be_offline(site: Site) -> None:
    everything = set(site.roles)
    assert await answering(site) == everything
    for fault in ("stopped", "hung", "failing", *(["killed"] if site.mode == "processes" else [])):
        for computer, lost in (("SITESRV", {"site_server", "site_database"}), ("MP1", {"management_point"})):
            async with site.offline(computer, fault=fault):
                assert await answering(site) == everything - lost, fault
                assert set(site.broken) == lost
            assert await answering(site) == everything, fault
    assert {e.what for e in site.history.events if e.who == "operator"} == {"break", "heal"}


async def test_one_of_two_distribution_points(site: Site) -> None:
    await site.break_("distribution_point_2", "stopped")
    assert await answering(site) == set(site.roles) - {"distribution_point_2"}
    await site.break_("distribution_point", "stopped")
    assert set(site.broken) == {"distribution_point_1", "distribution_point_2"}
    await site.heal()
    assert await answering(site) == set(site.roles)


async def test_what_cannot_be_done_is_refused_by_name() -> None:
    async with Site(topology("one-computer"), **PATIENT) as site:
        with pytest.raises(FaultRefused, match="use --mode processes"):
            await site.break_("management_point", "killed")
        with pytest.raises(FaultRefused, match="unknown fault 'sleepy'; valid: stopped"):
            await site.break_("management_point", "sleepy")
        with pytest.raises(TopologyError, match="nothing is called 'DP9'; valid: SITE1"):
            await site.break_("DP9")
        assert not site.broken
        assert await answering(site) == set(site.roles)


@pytest.mark.parametrize("mode", MODES)
async def test_a_kept_folder_keeps_addresses_secret_and_data(tmp_path: Path, mode: Mode) -> None:
    tmp_path.chmod(0o755)
    kept = []
    for _ in range(2):
        async with Site(topology("one-computer"), mode=mode, data=tmp_path / "site", **PATIENT) as site:
            async with site.database() as db:
                await db.execute(
                    "UPDATE Collections SET Comment = Comment || 'x' WHERE CollectionID = 'SMS00001'"
                )
                comment = await db.fetchval("SELECT Comment FROM Collections WHERE CollectionID = 'SMS00001'")
            kept.append((site.roles, site.secret, comment))
    assert kept[0][:2] == kept[1][:2]
    assert [comment for *_, comment in kept] == ["x", "xx"]
    lines = (tmp_path / "site" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in lines].count("started") == 2


async def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    async with Site(topology("one-computer"), data=tmp_path / "a", **PATIENT) as first:
        kept = json.loads((tmp_path / "a" / "site.json").read_text())
        other = tmp_path / "b"
        other.mkdir()
        for role in kept["roles"]:
            if role["kind"] != "management_point":
                role["port"] += 1
                role["https_port"] = None
        (other / "site.json").write_text(json.dumps(kept))
        with pytest.raises(CannotStart, match=r"management_point: 127\.\S+ cannot be opened"):
            await Site(topology("one-computer"), data=other).start()
        assert (await first.probe("management_point")).answers


async def test_a_folder_of_another_topology_is_refused(tmp_path: Path) -> None:
    async with Site(topology("one-computer"), data=tmp_path / "a", **PATIENT):
        pass
    with pytest.raises(CannotStart, match="belongs to another topology, 'one-computer'"):
        await Site(topology("typical"), data=tmp_path / "a").start()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="file/site: the folder cannot be written"):
        await Site(topology("one-computer"), data=tmp_path / "file" / "site").start()


async def test_a_dsn_that_does_not_answer_is_said_plainly() -> None:
    with pytest.raises(CannotStart, match="the given PostgreSQL does not take us"):
        await Site(topology("one-computer"), dsn="postgresql://postgres@127.0.0.1:1/nothing").start()


async def test_one_that_is_being_stopped_is_stopped_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = asyncio.Event()
    site = Site(topology("one-computer"), **PATIENT)
    stop = site.stop

    async def stopped() -> None:
        stopping.set()
        await asyncio.sleep(0)  # whoever cancels comes in between
        await stop()

    monkeypatch.setattr(site, "stop", stopped)

    async def use() -> None:
        async with site:
            pass

    using = asyncio.create_task(use())
    await stopping.wait()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert not await asyncio.to_thread(site.data.exists)
