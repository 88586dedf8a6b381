"""How long the whole failure table takes: ``python -m tests.benchmarks.failure_table``."""

from __future__ import annotations

import asyncio

from emulator.site import MODES
from fixtures.failure_table import failure_table
from fixtures.report.document import make_document
from fixtures.scenario.plan import Plan
from fixtures.scenario.runner import run
from fixtures.topologies import find_topology

GOALS = {"in-process": 20, "processes": 60}
FAULTS = {"in-process": ("stopped", "hung"), "processes": ("stopped", "killed", "hung")}


async def main() -> None:
    for mode in MODES:
        for fault in FAULTS[mode]:
            plan = Plan(find_topology("four-computers"), failure_table().rows, fault=fault, mode=mode)
            document = make_document(await run(plan))
            counts = document["counts"]
            print(
                f"{mode}, {fault}: {document['seconds']:.1f} s, goal {GOALS[mode]} s; "
                f"{counts['holds']} hold, {counts['violated']} violated, {counts['not shown']} not shown",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
