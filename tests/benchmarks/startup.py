"""How long a cold site takes to answer, against PostgreSQL alone: ``python -m tests.benchmarks.startup``.

Both are measured in one run, by turns, so that the ratio does not depend on the machine's mood.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from emulator.addresses import free_port
from emulator.site import Site
from emulator.site_database.server import PostgresServer
from fixtures.topologies import find_topology

TIMES = 5
GOAL = 2.0


async def site(folder: Path) -> float:
    began = time.perf_counter()
    async with Site(find_topology("four-computers"), data=folder):
        return time.perf_counter() - began


async def database(folder: Path) -> float:
    server = PostgresServer(folder, "127.0.0.1", free_port("127.0.0.1"))
    began = time.perf_counter()
    await server.start()
    seconds = time.perf_counter() - began
    await server.stop()
    return seconds


async def once(measure: Callable[[Path], Awaitable[float]]) -> float:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as folder:
        return await measure(Path(folder) / "data")


async def main() -> None:
    await once(site)  # imports and the page cache
    sites, databases = [], []
    for _ in range(TIMES):
        databases.append(await once(database))
        sites.append(await once(site))
    whole, alone = statistics.median(sites), statistics.median(databases)
    print(f"initdb and start of PostgreSQL alone: {alone:.2f} s (median of {TIMES})")
    print(f"a cold site, every role answering:    {whole:.2f} s (median of {TIMES})")
    print(f"ratio: {whole / alone:.2f} (goal: at most {GOAL:g})")


if __name__ == "__main__":
    asyncio.run(main())
