"""What the journal costs a policy poll: ``python -m tests.benchmarks.journal``.

Two management points with the same settings and database, one with a journal, one without, answer the polls
of ``tests.benchmarks.policy`` at the same time on the same core; compared is what a poll costs of its time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from emulator.addresses import free_port
from emulator.site import Site
from tests.benchmarks.fault_layer import Figures
from tests.benchmarks.load import write_requests
from tests.benchmarks.policy import CLIENTS, SERVER_CORE, http_request, place, prepare, topology

SECONDS, TURNS = 2.0, 15
GOAL = 0.05


async def main(turns: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        folder = Path(temporary)
        async with Site(topology(), mode="processes") as site:
            mp = site.only("management_point")
            _, polls = await prepare(site, folder, CLIENTS)
            place(mp)
            twin = mp.model_copy(update={"port": free_port(mp.host)})
            shutil.copytree(site.folder(mp.name), folder / "twin")
            settings = site.settings(mp.name).model_copy(
                update={"role": twin, "data": folder / "twin", "journal": 0}
            )
            file = folder / "twin.json"
            file.write_text(settings.model_dump_json(), encoding="utf-8")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "emulator.role_process", str(file),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            assert process.stdout
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError("the management point without journal did not start")
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            both = []
            for address in (mp, twin):
                requests = [http_request("CCM_POST", "/ccm_system/request", address, poll) for poll in polls]
                both.append(Figures(address, write_requests(folder, str(address.port), requests)))
            for _ in range(turns):
                await asyncio.gather(*(figures.turn(seconds) for figures in both))
            process.terminate()
            await process.wait()
    with_it, without = both
    print(f"with a journal:    {with_it}")
    print(f"without a journal: {without}")
    ratios = [a / b - 1 for a, b in zip(with_it.costs, without.costs, strict=True)]
    quarters = statistics.quantiles(ratios, n=4)
    print(
        f"the journal costs {statistics.median(ratios):+.1%} of a poll, median of {turns} turns "
        f"(their middle half {quarters[0]:+.1%} to {quarters[2]:+.1%}; goal: under {GOAL:.0%})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    told = parser.parse_args()
    asyncio.run(main(told.turns, told.seconds))
