"""What the fault layer costs while nothing is broken: ``python -m tests.benchmarks.fault_layer``.

*Present but off* is the management point of a site as everybody starts it: no links, so no relay in the
path. *Not installed* is a second one beside it with the same settings and database, in a process in which
``emulator.faults`` cannot be imported. Both answer the policy polls of ``tests.benchmarks.policy`` at the
same time, on the same core, so that whatever else the machine does falls on both alike. Compared is what a
poll costs of the core's time, and how many each has answered. (That a role's process loads nothing of the
fault layer, ``tests/emulator/faults/test_fault_plan.py`` shows.)

A third figure is for information only: polls through the relay of a site with links and nothing set. The
relay runs in this process, on the load generator's core.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator.addresses import free_port
from emulator.settings import RoleAddress
from emulator.site import Site
from tests.benchmarks.load import WARM_UP, measure, write_requests
from tests.benchmarks.policy import (
    CLIENTS,
    OTHER_CORE,
    SERVER_CORE,
    http_request,
    place,
    prepare,
    server_of,
    topology,
)

SECONDS, TURNS = 3.0, 15
GOAL = 0.01
BARRED = """
import os, sys
sys.modules["emulator.faults"] = None  # whoever imports it fails
os.sched_setaffinity(0, {int(sys.argv[2])})
from emulator.role_process import main
sys.exit(main(sys.argv[1]))
"""


@dataclass
class Figures:
    """What was measured of one of the two, turn by turn."""

    mp: RoleAddress
    requests: Path
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)  # microseconds of the core for one poll

    async def turn(self, seconds: float) -> None:
        pid = server_of(self.mp.port).pid
        before = _processor_time(pid)
        self.rates.append(await measure(self.mp.host, self.mp.port, self.requests, seconds, OTHER_CORE))
        polls = self.rates[-1] * (seconds + WARM_UP)
        self.costs.append((_processor_time(pid) - before) / polls)

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.rates):,.0f} polls a second, "
            f"{statistics.median(self.costs):.1f} us of the core each"
        )


def _processor_time(pid: int) -> float:
    """Microseconds that a process has had of a core, all its threads together."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in stats) / 1000


@asynccontextmanager
async def not_installed(site: Site, folder: Path) -> AsyncIterator[RoleAddress]:
    """A second management point, like the site's, without a fault layer to import."""
    mp = site.only("management_point")
    twin = mp.model_copy(update={"port": free_port(mp.host)})
    shutil.copytree(site.folder(mp.name), folder / "twin")
    settings = site.settings(mp.name).model_copy(update={"role": twin, "data": folder / "twin"})
    file = folder / "twin.json"
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARRED, str(file), str(SERVER_CORE),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # as the site starts its own: the kernel shares a core out by sessions
    )  # fmt: skip
    assert process.stdout
    if await process.stdout.readline() != b"ready\n":
        raise RuntimeError("the management point without fault layer did not start")
    yield twin
    process.terminate()
    await process.wait()


async def compare(folder: Path, turns: int, seconds: float) -> None:
    async with Site(topology(), mode="processes") as site:
        mp = site.only("management_point")
        _, polls = await prepare(site, folder, CLIENTS)
        place(mp)
        async with not_installed(site, folder) as twin:
            both = []
            for address in (mp, twin):
                requests = [http_request("CCM_POST", "/ccm_system/request", address, poll) for poll in polls]
                both.append(Figures(address, write_requests(folder, str(address.port), requests)))
            for _ in range(turns):
                await asyncio.gather(*(figures.turn(seconds) for figures in both))
    present, bare = both
    print(f"fault layer present but off: {present}")
    print(f"fault layer not installed:   {bare}")
    for what, ours, theirs in (
        ("time of the core", present.costs, bare.costs),
        ("polls a second", present.rates, bare.rates),
    ):
        ratios = [a / b - 1 for a, b in zip(ours, theirs, strict=True)]
        quarters = statistics.quantiles(ratios, n=4)
        print(
            f"difference in {what}: {statistics.median(ratios):+.1%}, median of {turns} turns "
            f"(their middle half {quarters[0]:+.1%} to {quarters[2]:+.1%}; goal: within {GOAL:.0%})"
        )


async def through_relay(folder: Path, seconds: float) -> None:
    async with Site(topology(), mode="processes", links=True) as site:
        mp = site.only("management_point")
        _, polls = await prepare(site, folder, CLIENTS)
        place(mp)
        assert site.network
        (link,) = (k for k in site.network.of(mp.name) if k.arrow.source == "clients")
        requests = [http_request("CCM_POST", "/ccm_system/request", mp, poll) for poll in polls]
        file = write_requests(folder, "relayed", requests)
        direct = await measure(mp.host, mp.port, file, seconds, OTHER_CORE)
        relayed = await measure(link.host, link.port, file, seconds, OTHER_CORE)
        print(f"for information, a site with links: {direct:,.0f} past the relay, {relayed:,.0f} through it")


async def main(turns: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        await compare(Path(temporary), turns, seconds)
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        await through_relay(Path(temporary), seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    told = parser.parse_args()
    asyncio.run(main(told.turns, told.seconds))
