"""What is left of the processes of a command that has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

PATIENCE = 30.0  # real seconds; on a loaded machine the last helper of an interpreter may take its time


def left_over(started: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that go on running; who is about to end is waited for.

    A zombie has ended: whose child it was is gone, and nobody may be there to ask for its end.
    """
    end = time.monotonic() + PATIENCE
    while (running := [process for process in started if _runs(process)]) and time.monotonic() < end:
        time.sleep(0.02)  # not our children: nothing tells us
    return running


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
