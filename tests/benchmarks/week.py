"""How long a simulated week of a small site takes: ``python -m tests.benchmarks.week``.

Four clients on their own schedules, a program a day, two outages; ends with exit code 1 when anything is
missing, too much, or came at another time than it should.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from emulator.site import Site
from fixtures.scenario.week import Week
from fixtures.topologies import find_topology

GOAL = 30.0  # real seconds


async def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as folder:
        began = time.perf_counter()
        async with Site(find_topology("four-computers"), data=Path(folder) / "site") as site:
            week = Week(site, Path(folder))
            wrong = await week.run()
        seconds = time.perf_counter() - began
    arrived = week.counts()
    print(
        f"a week with {len(week.outages)} outages and {len(week.clients)} clients: {seconds:.1f} s real time"
    )
    print(
        f"  goal: under {GOAL:g} s, on a machine that does nothing else; start and stop of the site included"
    )
    print(f"  own processor time: {time.process_time():.1f} s; due times stopped at: {week.steps}")
    print(f"  reports: {arrived.total()} ({', '.join(f'{count} {kind}' for kind, count in arrived.items())})")
    for line in wrong:
        print(f"  WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
