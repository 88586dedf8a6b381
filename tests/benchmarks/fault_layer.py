"""What the fault layer costs while nothing is broken: ``python -m tests.benchmarks.fault_layer``.

*Present but off* is a management point of a site as everybody starts it: no links, so no relay in the path.
*Not installed* is another one with the same settings and database, in a process in which ``emulator.faults``
cannot be imported. Both answer the policy polls of ``tests.benchmarks.policy`` at the same time, on the same
core, so that whatever else the machine does falls on both alike. After some turns two new processes take
their place, the other one first: the same program is a few percent slower or faster in another process,
wherever its memory happens to lie. Both are started by the same few lines. Compared is what a poll costs of
the core's time, and how many each has answered. (That a role's process loads nothing of the fault layer,
``tests/emulator/faults/test_fault_plan.py`` shows.)
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator.settings import RoleAddress
from emulator.site import Site
from tests.benchmarks.load import WARM_UP, measure
from tests.benchmarks.policy import (
    CLIENTS,
    OTHER_CORE,
    place,
    prepare,
    server_of,
    topology,
)
from tests.benchmarks.twin import Twin, twin

SECONDS, TURNS, PAIRS = 2.0, 4, 8
GOAL = 0.01
PRESENT = """
import sys
from emulator.role_process import main
sys.exit(main(sys.argv[1]))
"""
BARRED = f"""
import sys
sys.modules["emulator.faults"] = None  # whoever imports it fails
{PRESENT}
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
async def pair(
    site: Site, folder: Path, polls: Sequence[bytes], *, bare_first: bool
) -> AsyncIterator[tuple[Twin, Twin]]:
    """The one as everybody has it, and the one without; who starts first has another place in memory."""
    commands = [PRESENT, BARRED]
    if bare_first:
        commands.reverse()
    async with (
        twin(site, folder, polls, command=("-c", commands[0])) as first,
        twin(site, folder, polls, command=("-c", commands[1])) as second,
    ):
        yield (second, first) if bare_first else (first, second)


async def compare(folder: Path, pairs: int, turns: int, seconds: float) -> None:
    costs, rates = [], []
    async with Site(topology(), mode="processes") as site:
        _, polls = await prepare(site, folder, CLIENTS)
        place(site.only("management_point"))
        for number in range(pairs):
            async with pair(site, folder, polls, bare_first=bool(number % 2)) as (present, bare):
                both = [Figures(mp.address, mp.polls) for mp in (present, bare)]
                for turn in range(turns):
                    order = both if turn % 2 else reversed(both)
                    await asyncio.gather(*(figures.turn(seconds) for figures in order))
            print(f"  present but off: {both[0]}; not installed: {both[1]}", flush=True)
            costs.append(_difference(both[0].costs, both[1].costs))
            rates.append(_difference(both[0].rates, both[1].rates))
    for what, differences in (("time of the core", costs), ("polls a second", rates)):
        quarters = statistics.quantiles(differences, n=4)
        print(
            f"difference in {what}: {statistics.median(differences):+.1%}, median of {pairs} pairs of "
            f"processes (their middle half {quarters[0]:+.1%} to {quarters[2]:+.1%}; goal: within {GOAL:.0%})"
        )


def _difference(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b - 1 for a, b in zip(ours, theirs, strict=True))


async def main(pairs: int, turns: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        await compare(Path(temporary), pairs, turns, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of processes")
    parser.add_argument("--turns", type=int, default=TURNS, help="of each pair")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a turn")
    told = parser.parse_args()
    asyncio.run(main(told.pairs, told.turns, told.seconds))
