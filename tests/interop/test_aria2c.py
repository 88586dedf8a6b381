"""aria2c: one file over several connections; its first request is dropped in the middle of the body."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import Run, RunningSite

ARIA2C = (
    "aria2c",
    "--no-conf",
    "--console-log-level=notice",
    "--summary-interval=0",
    "--file-allocation=none",
)


@pytest.mark.proves("interop.aria2c.split")
def test_a_file_comes_in_four_pieces_at_once(running: RunningSite, run: Run, tmp_path: Path) -> None:
    url = f"{running.content}/large.bin"
    done = run(*ARIA2C, "-x4", "-s4", "-k1M", f"--checksum=sha-256={running.digest_of('large.bin')}", url)
    assert done.returncode == 0, done.stdout.decode()
    assert (tmp_path / "large.bin").read_bytes() == running.bytes_of("large.bin")


@pytest.mark.proves("interop.aria2c.resume")
def test_a_broken_download_goes_on(running: RunningSite, run: Run, tmp_path: Path) -> None:
    whole = running.bytes_of("large.bin")
    (tmp_path / "large.bin").write_bytes(whole[:2_000_001])
    done = run(*ARIA2C, "-c", "-x2", "-s2", "-k1M", f"{running.content}/large.bin")
    assert done.returncode == 0, done.stdout.decode()
    assert (tmp_path / "large.bin").read_bytes() == whole
