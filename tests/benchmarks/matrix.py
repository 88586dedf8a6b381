"""How long the whole matrix takes, in process: ``python -m tests.benchmarks.matrix``."""

from __future__ import annotations

import asyncio
import resource

from fixtures.matrix.plan import make_plan
from fixtures.matrix.run import differences, run_matrix

GOAL = 300  # real seconds on two cores


def main() -> None:
    document = asyncio.run(run_matrix(make_plan([], [], "in-process", 1)))
    cells = document["counts"]
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(u.ru_utime + u.ru_stime for u in used)
    print(
        f"{document['rows']} outages on {len(document['sites'])} sites: "
        f"{document['seconds']:.0f} s, goal {GOAL} s; "
        f"{processor:.0f} s of processor time, {document['row_seconds']:.0f} s if one after the other; "
        f"{cells['holds']} cells as they must be, {cells['violated']} not, {cells['not shown']} not shown"
    )
    for line in differences(document):
        print(f"  {line}")


if __name__ == "__main__":  # worker processes import this module
    main()
