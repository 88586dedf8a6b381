"""wget -r: walks the listings of a distribution point and brings everything home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import FILES, PASSWORD, USER, Run, RunningSite


def fetched(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("index.html")
    }


@pytest.mark.proves("interop.wget.recursive")
def test_a_whole_package_comes_home(running: RunningSite, run: Run, tmp_path: Path) -> None:
    done = run("wget", "-r", "-np", "-nH", "--cut-dirs=2", "-nv", f"{running.content}/")
    assert b"ERROR 5" not in done.stderr, done.stderr.decode()
    files = fetched(tmp_path)
    assert {name: files.get(name) for name in FILES} == {name: running.bytes_of(name) for name in FILES}


@pytest.mark.proves("interop.wget.datalib")
def test_the_content_library_leads_to_every_package(running: RunningSite, run: Run, tmp_path: Path) -> None:
    # Links lead to the package beside Datalib, two folders up from here: so the parent is followed too.
    run("wget", "-r", "-nH", "--cut-dirs=1", "-nv", "-l", "4", f"{running.dp}/SMS_DP_SMSPKG$/Datalib")
    files = fetched(tmp_path)
    wanted = {f"{running.content.rpartition('/')[2]}/{name}" for name in FILES}
    assert wanted <= set(files), sorted(files)


@pytest.mark.proves("interop.wget.ntlm")
def test_a_guarded_file_needs_an_account(guarded: RunningSite, run: Run, tmp_path: Path) -> None:
    url = f"{guarded.content}/setup.exe"
    assert run("wget", "-nv", url).returncode == 6  # authentication failed
    account = USER.partition("\\")
    run("wget", "-nv", f"--user={account[0]}\\{account[2]}", f"--password={PASSWORD}", url)
    assert (tmp_path / "setup.exe").read_bytes() == guarded.bytes_of("setup.exe")
