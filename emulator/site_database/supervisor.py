"""Runs PostgreSQL as its child and sees to it that none of it outlives the owner.

Run as a script, with the standard library only, so that it starts in a few milliseconds. The
owner holds the other end of standard input: when that closes, however the owner died,
every process of the data directory is killed. A thread that starts PostgreSQL itself with
``PR_SET_PDEATHSIG`` would not do: the signal comes when the thread ends, and it does not
reach PostgreSQL's children, each of which leads a session of its own.

Usage: supervisor.py DATA LOG UID GID COMMAND... (UID -1: as we are). Prints the child's id.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def processes_in(data: str) -> list[int]:
    """Every PostgreSQL process working in the data directory: it changes into it and stays.

    Finds children whose postmaster is dead as well. Empty where there is no /proc.
    """
    found = []
    with suppress(OSError):
        for entry in os.scandir("/proc"):
            with suppress(OSError):
                # Its name too: somebody's shell may have gone there to look around.
                if (
                    entry.name.isdigit()
                    and os.readlink(f"{entry.path}/cwd") == data  # noqa: PTH115
                    and Path(entry.path, "comm").read_text().strip() == "postgres"
                ):
                    found.append(int(entry.name))
    return found


def kill_all(data: str, postmaster: int | None) -> None:
    """End the server whole, frozen or not; the postmaster first, so that it starts nothing new."""
    for pid in [*([postmaster] if postmaster else []), *processes_in(data)]:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _die_with_supervisor() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main(data: str, log: str, uid: int, gid: int, command: list[str]) -> int:
    """Run the command until it ends or the owner is gone; returns its exit status."""
    # A Ctrl-C in a terminal reaches every process of the foreground; the owner decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wakeup = os.pipe()
    os.set_blocking(wakeup[1], False)
    signal.set_wakeup_fd(wakeup[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    as_user = {} if uid < 0 else {"user": uid, "group": gid, "extra_groups": []}
    with Path(log).open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_supervisor,  # runs after the change of user, which would undo it
            **as_user,  # type: ignore[call-overload]
        )
    print(child.pid, flush=True)
    while child.poll() is None:
        readable, _, _ = select.select([0, wakeup[0]], [], [])
        if 0 in readable and not os.read(0, 1):
            kill_all(data, child.pid)
            break
        if wakeup[0] in readable:
            os.read(wakeup[0], 64)
    return int(child.wait())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]))
