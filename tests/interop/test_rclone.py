"""rclone: a whole package through WebDAV, and the listings through plain HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.conftest import FILES, Run, RunningSite

RCLONE = ("rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1")


def webdav(running: RunningSite) -> tuple[str, ...]:
    return (*RCLONE, "--webdav-url", f"{running.content}/", "--webdav-vendor", "other")


@pytest.mark.proves("interop.rclone.webdav")
def test_a_package_is_listed_with_sizes_and_times(running: RunningSite, run: Run) -> None:
    done = run(*webdav(running), "lsjson", "-R", ":webdav:")
    assert done.returncode == 0, done.stderr.decode()
    entries = json.loads(done.stdout)
    sizes = {e["Path"]: e["Size"] for e in entries if not e["IsDir"]}
    assert {name: sizes.get(name) for name in FILES} == FILES
    assert [e["Path"] for e in entries if e["IsDir"]] == ["data"]
    assert all(not e["ModTime"].startswith("1970") for e in entries if not e["IsDir"])


@pytest.mark.proves("interop.rclone.webdav")
def test_a_package_is_copied(running: RunningSite, run: Run, tmp_path: Path) -> None:
    done = run(*webdav(running), "copy", ":webdav:", "copied")
    assert done.returncode == 0, done.stderr.decode()
    for name in FILES:
        assert (tmp_path / "copied" / name).read_bytes() == running.bytes_of(name)


@pytest.mark.proves("interop.rclone.http")
def test_a_listing_is_read_as_a_web_page(running: RunningSite, run: Run, tmp_path: Path) -> None:
    # rclone takes a link without trailing slash for a file, so it sees the top of the package only.
    done = run(*RCLONE, "--http-url", f"{running.content}/", "copyto", ":http:setup.exe", "setup.exe")
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "setup.exe").read_bytes() == running.bytes_of("setup.exe")
    listed = run(*RCLONE, "--http-url", f"{running.content}/", "lsf", ":http:").stdout.decode().split("\n")
    assert {"setup.exe", "large.bin", "read me.txt"} <= set(listed)
