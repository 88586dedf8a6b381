"""Commands that run until they are told to end, and the terminal that is closed over them."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from emulator.ending_signals import SIGNALS
from tests.processes import left_over

# Whoever runs the tests may have been told to ignore a closed terminal, and children inherit that.
UP = """
import signal
signal.signal(signal.SIGHUP, signal.{deed})
from fixtures.command_line import main
main()
"""


def up(folder: Path, stdout: int, deed: str = "SIG_DFL") -> subprocess.Popen[bytes]:
    options = ("up", "--site", "one-computer", "--data", str(folder))
    return subprocess.Popen([sys.executable, "-c", UP.format(deed=deed), *options], stdout=stdout)


def read_until_up(stdout: int) -> bytes:
    said = b""
    while b"Ctrl-C ends it." not in said:
        said += os.read(stdout, 4096)
    return said


@pytest.mark.parametrize("number", SIGNALS)
def test_a_site_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path, subprocess.PIPE) as process:
        assert process.stdout
        read_until_up(process.stdout.fileno())
        started = psutil.Process(process.pid).children(recursive=True)
        assert started  # PostgreSQL
        process.send_signal(number)
        process.communicate()
    assert process.returncode == 0  # a signal that is not heard would be told by its number
    assert left_over(started) == []


def test_a_site_ends_in_order_when_its_terminal_is_closed(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    with up(tmp_path, end) as process:
        os.close(end)
        read_until_up(terminal)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        process.communicate()
    assert process.returncode == 0


def test_under_nohup_a_closed_terminal_is_no_reason_to_end(tmp_path: Path) -> None:
    with up(tmp_path, subprocess.PIPE, "SIG_IGN") as process:
        assert process.stdout
        read_until_up(process.stdout.fileno())
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0
