"""curl: whole files, broken downloads, NTLM, and a message as a body from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import PASSWORD, USER, Run, RunningSite
from tests.interop.wire_by_hand import Computer, message, reply_text, site_information

CURL = ("curl", "--silent", "--show-error", "--globoff")


@pytest.mark.proves("interop.curl.get")
def test_a_file_is_fetched(running: RunningSite, run: Run, tmp_path: Path) -> None:
    done = run(*CURL, "-o", "setup.exe", "-w", "%{http_code}", f"{running.content}/setup.exe")
    assert done.stdout == b"200"
    assert (tmp_path / "setup.exe").read_bytes() == running.bytes_of("setup.exe")


@pytest.mark.proves("interop.curl.get")
def test_a_name_with_a_blank_and_paths_in_any_case(running: RunningSite, run: Run) -> None:
    url = f"{running.dp}/sms_dp_smspkg$/{running.package_id.lower()}.1/READ%20me.TXT"
    assert run(*CURL, "--fail", url).stdout == running.bytes_of("read me.txt")


@pytest.mark.proves("interop.curl.resume")
def test_a_download_is_resumed(running: RunningSite, run: Run, tmp_path: Path) -> None:
    whole = running.bytes_of("large.bin")
    (tmp_path / "large.bin").write_bytes(whole[:1_000_003])
    url = f"{running.content}/large.bin"
    done = run(*CURL, "-C", "-", "-o", "large.bin", "-w", "%{http_code} %{size_download}", url)
    assert done.stdout == f"206 {len(whole) - 1_000_003}".encode()
    assert (tmp_path / "large.bin").read_bytes() == whole


@pytest.mark.proves("interop.curl.complete")
def test_what_is_complete_cannot_be_resumed(running: RunningSite, run: Run, tmp_path: Path) -> None:
    whole = running.bytes_of("setup.exe")
    (tmp_path / "setup.exe").write_bytes(whole)
    url = f"{running.content}/setup.exe"
    done = run(*CURL, "-C", "-", "-o", "setup.exe", "-w", "%{http_code}", url)
    assert done.stdout == b"416"
    assert (tmp_path / "setup.exe").read_bytes() == whole


@pytest.mark.proves("interop.curl.head")
def test_head_tells_length_and_validator(running: RunningSite, run: Run) -> None:
    head = run(*CURL, "--head", f"{running.content}/large.bin").stdout.decode().lower()
    assert head.startswith("http/1.1 200")
    assert "accept-ranges: bytes" in head
    assert f"content-length: {len(running.bytes_of('large.bin'))}" in head
    assert "etag:" in head or "last-modified:" in head


@pytest.mark.proves("interop.curl.ntlm")
def test_ntlm_opens_a_guarded_distribution_point(guarded: RunningSite, run: Run) -> None:
    url = f"{guarded.content}/setup.exe"
    assert run(*CURL, "-o", "/dev/null", "-w", "%{http_code}", url).stdout == b"401"
    done = run(*CURL, "--fail", "--ntlm", "-u", f"{USER}:{PASSWORD}", url)
    assert (done.returncode, done.stdout) == (0, guarded.bytes_of("setup.exe"))
    wrong = run(*CURL, "--ntlm", "-u", f"{USER}:wrong", "-o", "/dev/null", "-w", "%{http_code}", url)
    assert wrong.stdout == b"401"


@pytest.mark.proves("interop.curl.ccm_post")
@pytest.mark.parametrize("how", ["length", "chunked", "expect"])
def test_a_message_from_a_file(running: RunningSite, run: Run, tmp_path: Path, how: str) -> None:
    body, content_type = message("MP_LocationManager", site_information("PS1"), Computer("curl1"))
    (tmp_path / "message.bin").write_bytes(body)
    extra = {
        "length": (),
        "chunked": ("-H", "Transfer-Encoding: chunked"),
        "expect": ("-H", "Expect: 100-continue"),
    }[how]
    done = run(
        *CURL, "--fail", "-X", "CCM_POST", "--data-binary", "@message.bin",
        "-H", f"Content-Type: {content_type}", *extra, f"{running.mp}/ccm_system/request",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PS1" in reply_text(done.stdout)
