"""What a healthy idle site holds in memory: ``python -m tests.benchmarks.idle_memory``.

PSS where the kernel tells it: PostgreSQL's processes share most of their pages, and adding up
resident sizes would count the same page once for each of them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil

from emulator.site import Site
from fixtures.topologies import find_topology

IDLE_SECONDS = 3.0
GOAL_MB = 200


def proportional(pid: int) -> int | None:
    """Bytes of a process, shared pages divided among their sharers; None where nobody tells."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


async def main() -> None:
    async with Site(find_topology("four-computers")):
        await asyncio.sleep(IDLE_SECONDS)
        processes = [psutil.Process(os.getpid()), *psutil.Process(os.getpid()).children(recursive=True)]
        resident = proportional_sum = 0
        for process in processes:
            rss = process.memory_info().rss
            pss = proportional(process.pid)
            resident += rss
            proportional_sum += rss if pss is None else pss
            told = "-" if pss is None else f"{pss / 1e6:.1f} MB"
            print(f"{process.pid:>8} {process.name():<20} RSS {rss / 1e6:6.1f} MB   PSS {told}")
        print(
            "an idle site in one process, PostgreSQL included: "
            f"{proportional_sum / 1e6:.0f} MB proportional, "
            f"{resident / 1e6:.0f} MB as a plain sum of resident sizes (goal: under {GOAL_MB} MB)"
        )


if __name__ == "__main__":
    asyncio.run(main())
