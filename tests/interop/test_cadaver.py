"""cadaver: the WebDAV reads of a distribution point, typed in as a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import Run, RunningSite


@pytest.mark.proves("interop.cadaver")
def test_a_collection_is_listed_and_a_file_is_got(running: RunningSite, run: Run, tmp_path: Path) -> None:
    script = f"open {running.content}/\nls\ncd data\nls\nget payload.cab here.cab\nquit\n"
    done = run("cadaver", input=script.encode())
    said = done.stdout.decode()
    assert "Listing collection" in said, said
    listed = said.split()
    for name in ("setup.exe", "data", "payload.cab", str(len(running.bytes_of("setup.exe")))):
        assert name in listed, said
    assert (tmp_path / "here.cab").read_bytes() == running.bytes_of("data/payload.cab")
