"""What the journal costs a policy poll: ``python -m tests.benchmarks.journal``.

A management point answers the polls of ``tests.benchmarks.policy``, as it does there: alone on its core.
Meanwhile its journal is taken away and given back, many times a second, and what a poll costs of the core's
time is compared within each pair of slices. One process, because the same program is a few percent slower or
faster in another one, wherever its memory happens to lie; and several in turn, because the difference may
depend on that, too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from emulator.role_process import make_role, read_settings
from emulator.site import JOURNAL, Site
from tests.benchmarks.load import measure
from tests.benchmarks.policy import CLIENTS, OTHER_CORE, place, prepare, topology
from tests.benchmarks.twin import twin

SLICE = 0.04  # seconds with or without a journal: some hundred polls
PAIRS, PROCESSES = 150, 6
WARM_UP = 1.5  # seconds of load before the first slice
GOAL = 0.05

Pairs = list[tuple[float, float]]  # microseconds of the core a poll, with a journal and without


async def serve(settings: Path, pairs: int) -> None:
    """Be the management point: say ``ready``, and after a line on standard input what was measured."""
    role = make_role(read_settings(settings))
    answer, polls = role._answered, 0

    async def counted(*request: object) -> object:
        nonlocal polls
        polls += 1
        return await answer(*request)  # type: ignore[arg-type]

    role._answered = counted  # type: ignore[method-assign, assignment]
    await role.start()
    gc.freeze()  # as every role's process does
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    journal = role.journal

    async def cost(with_it: bool) -> float:
        role.journal = journal if with_it else None
        before, began = polls, time.process_time()
        await asyncio.sleep(SLICE)
        return (time.process_time() - began) * 1e6 / (polls - before)

    measured: Pairs = []
    for pair in range(pairs):
        first = bool(pair % 2)
        costs = {first: await cost(first)}
        costs[not first] = await cost(not first)
        measured.append((costs[True], costs[False]))
    print(json.dumps(measured), flush=True)
    await asyncio.Event().wait()


async def measured_in_a_process(site: Site, folder: Path, polls: list[bytes], pairs: int) -> Pairs:
    """What one more management point of the site says of itself under load."""
    command, options = ("-m", __spec__.name, "--serve"), ("--pairs", str(pairs))
    async with twin(site, folder, polls, JOURNAL, command, options) as mp:
        assert mp.process.stdin
        assert mp.process.stdout
        seconds = 2 * SLICE * pairs * 1.1 + 2 * WARM_UP
        address = mp.address
        load = asyncio.create_task(measure(address.host, address.port, mp.polls, seconds, OTHER_CORE))
        await asyncio.sleep(WARM_UP)
        mp.process.stdin.write(b"now\n")
        measured: Pairs = [(a, b) for a, b in json.loads(await mp.process.stdout.readline())]
        if load.done():
            raise RuntimeError("the load ended before everything was measured")
        await load
        return measured


async def main(processes: int, pairs: int) -> None:
    of_all: Pairs = []
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        folder = Path(temporary)
        async with Site(topology(), mode="processes") as site:
            _, polls = await prepare(site, folder, CLIENTS)
            place(site.only("management_point"))
            medians = []
            for _ in range(processes):
                measured = await measured_in_a_process(site, folder, polls, pairs)
                of_all += measured
                medians.append(_median_cost(measured))
                print(f"  {medians[-1]:+.1%} in one process", flush=True)
    with_it, without = (statistics.median(column) for column in zip(*of_all, strict=True))
    print(
        f"a poll costs {with_it:.0f} us with a journal and {without:.0f} without; the journal costs "
        f"{statistics.median(medians):+.1%}, median of {processes} processes with {pairs} pairs of slices "
        f"each ({min(medians):+.1%} to {max(medians):+.1%}; goal: under {GOAL:.0%})"
    )


def _median_cost(measured: Pairs) -> float:
    return statistics.median(a / b - 1 for a, b in measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="one after the other")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of slices in each")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    asyncio.run(serve(told.serve, told.pairs) if told.serve else main(told.processes, told.pairs))
