"""Many chaos runs: ``python -m tests.benchmarks.chaos --runs 200 --seconds 15 --mode processes``.

Each has a seed of its own. Prints every run, then the total and the seeds that showed a violation;
ends with 1 when there are any.
A run that does not come to an end is a violation, too.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import ConfigMgrError
from emulator.site import MODES
from fixtures.chaos.run import run
from fixtures.chaos.settings import ChaosSettings
from fixtures.topologies import find_topology

AT_MOST = 240.0  # real seconds on top of the chaos in which a run must have come to an end


@dataclass(frozen=True)
class Shown:
    """What one run showed."""

    seed: int
    violations: tuple[str, ...]
    seconds: float
    queued: int


async def one(arguments: argparse.Namespace, seed: int) -> Shown:
    """One run; its history is kept only when it shows a violation."""
    settings = ChaosSettings(
        find_topology(arguments.site), seed, arguments.clients, arguments.seconds, arguments.mode
    )
    history = arguments.keep / f"{seed}.jsonl"
    began = time.monotonic()
    queued = 0
    try:
        async with asyncio.timeout(arguments.seconds + AT_MOST):
            result = await run(settings, history)
        violations = tuple(map(str, result.violations))
        queued = sum(event.what == "queued" for event in result.events)
    except (ConfigMgrError, TimeoutError) as exc:
        violations = (f"{type(exc).__name__}: {exc}",)
    if not violations:
        for file in arguments.keep.glob(f"{seed}.*"):
            file.unlink()
    return Shown(seed, violations, time.monotonic() - began, queued)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--mode", choices=MODES, default="processes")
    parser.add_argument("--site", default="four-computers")
    parser.add_argument("--first", type=int, default=1, help="the first seed; the others follow")
    parser.add_argument("--keep", type=Path, default=Path("chaos-histories"), help="of runs with violations")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    shown = []
    for seed in range(arguments.first, arguments.first + arguments.runs):
        shown.append(asyncio.run(one(arguments, seed)))
        _print(shown[-1])
    bad = [s.seed for s in shown if s.violations]
    print(
        f"{len(shown)} runs of {arguments.seconds:g} s, seeds {arguments.first} to {shown[-1].seed}, "
        f"{arguments.mode}, {arguments.clients} clients: {sum(s.queued for s in shown)} reports, "
        f"{sum(len(s.violations) for s in shown)} violations"
        + (f" in the seeds {', '.join(map(str, bad))}; histories in {arguments.keep}" if bad else "")
    )
    return 1 if bad else 0


def _print(shown: Shown) -> None:
    verdict = f"{len(shown.violations)} violations" if shown.violations else "0 violations"
    print(f"seed {shown.seed}: {verdict}, {shown.queued} reports, {shown.seconds:.1f} s", flush=True)
    for violation in shown.violations[:20]:
        print(f"    {violation}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
