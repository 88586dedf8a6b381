"""What the journal costs a policy poll: ``python -m tests.benchmarks.journal``.

Two management points with the same settings and database, started alike, one with a journal, one without,
answer the polls of ``tests.benchmarks.policy``, each as it does there: alone on its core. They take turns,
and after some turns two new processes take their place: the same program is a few percent slower or faster
in another process, wherever its memory happens to lie. Compared is what a poll costs of the core's time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from emulator.addresses import free_port
from emulator.site import JOURNAL, Site
from tests.benchmarks.fault_layer import Figures
from tests.benchmarks.load import write_requests
from tests.benchmarks.policy import CLIENTS, SERVER_CORE, http_request, place, prepare, topology

SECONDS, TURNS, PAIRS = 1.0, 3, 16
GOAL = 0.05


@asynccontextmanager
async def management_point(
    site: Site, folder: Path, polls: list[bytes], journal: int
) -> AsyncIterator[Figures]:
    """One more management point of the site, with its polls."""
    mp = site.only("management_point")
    twin = mp.model_copy(update={"port": free_port(mp.host)})
    folder = folder / str(twin.port)
    shutil.copytree(site.folder(mp.name), folder / "data")
    update = {"role": twin, "data": folder / "data", "journal": journal}
    file = folder / "settings.json"
    settings = site.settings(mp.name).model_copy(update=update)
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulator.role_process", str(file),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("a management point did not start")
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        requests = [http_request("CCM_POST", "/ccm_system/request", twin, poll) for poll in polls]
        yield Figures(twin, write_requests(folder, "polls", requests))
    finally:
        process.terminate()
        await process.wait()


async def main(pairs: int, turns: int, seconds: float) -> None:
    costs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        folder = Path(temporary)
        async with Site(topology(), mode="processes") as site:
            _, polls = await prepare(site, folder, CLIENTS)
            place(site.only("management_point"))
            for _ in range(pairs):
                async with (
                    management_point(site, folder, polls, JOURNAL) as with_it,
                    management_point(site, folder, polls, 0) as without,
                ):
                    for turn in range(turns):
                        for figures in (with_it, without) if turn % 2 else (without, with_it):
                            await figures.turn(seconds)
                    costs.append((statistics.median(with_it.costs), statistics.median(without.costs)))
                    print(f"  {costs[-1][0]:.0f} and {costs[-1][1]:.0f} us a poll", flush=True)
    with_it, without = (statistics.median(column) for column in zip(*costs, strict=True))  # type: ignore[assignment]
    ratios = [a / b - 1 for a, b in costs]
    quarters = statistics.quantiles(ratios, n=4)
    print(
        f"a poll costs {with_it:.0f} us with a journal and {without:.0f} without; the journal costs "
        f"{statistics.median(ratios):+.1%}, median of {pairs} pairs of processes "
        f"(their middle half {quarters[0]:+.1%} to {quarters[2]:+.1%}; goal: under {GOAL:.0%})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of processes")
    parser.add_argument("--turns", type=int, default=TURNS, help="of each pair")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a turn")
    told = parser.parse_args()
    asyncio.run(main(told.pairs, told.turns, told.seconds))
