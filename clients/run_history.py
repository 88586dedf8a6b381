"""Which programs ran: JSON lines on disk, each flushed before anything else happens.

A run is recorded as started before it begins and as finished after it ended; a start
without an end, found at the next start of the client, is a run that was interrupted.
The product keeps this in the registry by package and program, which is what rerun
behaviour looks at.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

RUNNING, SUCCEEDED, FAILED, INTERRUPTED = "running", "succeeded", "failed", "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program."""

    run_id: str
    wanted_id: str  # which wish to run this fulfils: a wish is fulfilled once
    advertisement_id: str
    package_id: str
    package_version: int
    program_name: str
    content_hash: str  # of what ran, computed just before; "" without source files
    started: str  # site time, ISO
    result: str = RUNNING
    finished: str | None = None
    exit_code: int | None = None
    detail: str = ""


class RunHistory:
    """The runs of one client, oldest first."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._runs: dict[str, Run] = {}
        if path.exists():
            self._load()

    def _load(self) -> None:
        good = 0
        for line in self._path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break  # the client was killed in the middle of this line: it never counted
            value = json.loads(line)
            self._runs[value["run_id"]] = Run(**value)
            good += len(line)
        os.truncate(self._path, good)

    @property
    def runs(self) -> list[Run]:
        return list(self._runs.values())

    def start(self, run: Run) -> Run:
        """Record that a program is about to run."""
        return self._append(run)

    def finish(
        self, run: Run, result: str, finished: str, exit_code: int | None = None, detail: str = ""
    ) -> Run:
        """Record how it ended."""
        return self._append(
            replace(run, result=result, finished=finished, exit_code=exit_code, detail=detail)
        )

    def _append(self, run: Run) -> Run:
        line = json.dumps(asdict(run)) + "\n"
        with self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._runs[run.run_id] = run
        return run

    def of_wanted(self, wanted_id: str) -> Run | None:
        """The run that fulfilled a wish."""
        return next((run for run in self._runs.values() if run.wanted_id == wanted_id), None)

    def last(self, package_id: str, program_name: str) -> Run | None:
        """The latest run of a program, whichever advertisement asked for it."""
        key = (package_id, program_name)
        return next((r for r in reversed(self.runs) if (r.package_id, r.program_name) == key), None)

    def succeeded(self) -> list[Run]:
        return [run for run in self._runs.values() if run.result == SUCCEEDED]


def may_rerun(behaviour: str, last: Run | None) -> bool:
    """Whether rerun behaviour lets a mandatory program run after this latest run."""
    if last is None:
        return True
    rules: dict[str, Any] = {
        "RerunAlways": True,
        "NeverRerun": False,
        "RerunIfFail": last.result in (FAILED, INTERRUPTED),
        "RerunIfSuccess": last.result == SUCCEEDED,
    }
    return bool(rules.get(behaviour, False))
