"""Plays every shipped scenario, or those that are named, and prints a line for each.

    python -m tests.benchmarks.scenarios [--histories FOLDER] [--seed N] [NAME ...]

Ends with 0 when everything held, else with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from fixtures.scenario_file.checking import read_scenario
from fixtures.scenario_file.engine import run
from fixtures.scenario_file.library import canned_scenarios, find_scenario
from fixtures.scenario_file.result import Result, result_of


def main() -> int:
    """Entry point; returns the exit status."""
    arguments = argparse.ArgumentParser(description="play the shipped scenarios")
    arguments.add_argument("names", nargs="*", default=list(canned_scenarios()))
    arguments.add_argument("--histories", type=Path, help="keep the histories here")
    arguments.add_argument("--seed", type=int, help="instead of the files' own")
    given = arguments.parse_args()
    folder = given.histories or Path(tempfile.mkdtemp(prefix="cmemu-scenarios-"))
    folder.mkdir(parents=True, exist_ok=True)
    results = [_play(name, folder, given.seed) for name in given.names]
    held = sum(result.verdict == "held" for result in results)
    print(f"{held} of {len(results)} scenarios held; histories in {folder}")
    return 0 if held == len(results) else 1


def _play(name: str, folder: Path, seed: int | None) -> Result:
    began = time.monotonic()
    checked = read_scenario(find_scenario(name), seed=seed)
    result = result_of(asyncio.run(run(checked, folder / f"{name}.jsonl")))
    expected = [e for e in result.entries if e.kind == "expectation"]
    print(
        f"{result.verdict:<9} {time.monotonic() - began:6.1f} s  {name}: "
        f"{sum(bool(e.held) for e in expected)} of {len(expected)} expectations, "
        f"{sum(i.held for i in result.invariants)} of {len(result.invariants)} invariants",
        flush=True,
    )
    for entry in result.entries:
        if not entry.held:
            print(f"    line {entry.line}: {entry.text}: {entry.seen}")
    for invariant in result.invariants:
        for violation in invariant.violations:
            print("    " + violation.replace("\n", "\n    "))
    for problem in result.problems:
        print(f"    {problem}")
    return result


if __name__ == "__main__":
    sys.exit(main())
