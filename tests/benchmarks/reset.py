"""Going back to the beginning: ``python -m tests.benchmarks.reset``.

Printed are the medians of: a reset and the loading of a snapshot of a running site of four computers in this
process, a reset of one whose roles are processes, and what a test pays for a fresh site when its worker's
PostgreSQL runs already. A database to go back to lies ready before a reset, as it does after a test of a few
hundred milliseconds; resets without a pause, each of which waits for that copy, are measured too.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from emulator.site import Site
from emulator.snapshots import Snapshots
from fixtures.shared_postgres import SharedPostgres
from fixtures.topologies import find_topology

TIMES = 10
GOALS = {"reset": 0.1, "snapshot load": 1.0, "snapshot save": 1.0, "reset of roles in processes": 1.0}


async def timed(what: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await what()
    return time.perf_counter() - began


async def main() -> None:
    topology = find_topology("four-computers")
    shared = SharedPostgres()
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as folder:
        async with Site(topology, data=Path(folder) / "site") as site:
            snapshots = Snapshots(site)
            await snapshots.prepare_reset()
            for number in range(TIMES):
                name = f"number-{number}"
                figures.setdefault("snapshot save", []).append(
                    await timed(lambda name=name: snapshots.save(name))  # type: ignore[misc]
                )
                figures.setdefault("snapshot load", []).append(
                    await timed(lambda name=name: snapshots.load(name))  # type: ignore[misc]
                )
                await snapshots.reset()
                await snapshots.settled()  # a test runs
                figures.setdefault("reset", []).append(await timed(snapshots.reset))
                figures.setdefault("reset at once again", []).append(await timed(snapshots.reset))
            await snapshots.close()
        async with Site(topology, data=Path(folder) / "processes", mode="processes") as site:
            snapshots = Snapshots(site)
            await snapshots.prepare_reset()
            for _ in range(TIMES):
                await snapshots.settled()
                figures.setdefault("reset of roles in processes", []).append(await timed(snapshots.reset))
            await snapshots.close()
        for number in range(TIMES + 1):
            began = time.perf_counter()
            postgres = await shared.fresh(topology)
            async with Site(topology, data=Path(folder) / f"site-{number}", postgres=postgres):
                if number:  # the first starts the server
                    figures.setdefault("a fresh site on a running PostgreSQL", []).append(
                        time.perf_counter() - began
                    )
        await shared.close()
    for what, seconds in figures.items():
        goal = f" (goal: under {GOALS[what] * 1000:.0f} ms)" if what in GOALS else ""
        print(f"{what}: {statistics.median(seconds) * 1000:.0f} ms{goal}")


if __name__ == "__main__":
    asyncio.run(main())
