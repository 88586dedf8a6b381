"""The signals that end a process in order.

SIGINT is Ctrl-C, SIGTERM what a supervisor sends, SIGHUP the terminal that was closed; to a process that was
started to outlive its terminal, as by ``nohup``, that one is no reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hear_of_ending(told: Callable[[signal.Signals], None]) -> list[signal.Signals]:
    """Call ``told`` in the running loop for each of them that comes; returns those that are heard."""
    loop = asyncio.get_running_loop()
    terminals = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream and stream.isatty()]

    def come(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            _let_go_of(terminals)
        told(number)

    heard = [n for n in SIGNALS if n is not signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, come, number)
    return heard


def _let_go_of(terminals: list[int]) -> None:
    """Writing to a terminal that is gone is an error, and must not keep anything from ending in order."""
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nothing:
        for terminal in terminals:
            os.dup2(nothing.fileno(), terminal)
