from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from clients.cli import client_command
from emulator.clock import ClockSettings
from emulator.history import read_history
from tests.clients.fake_management_point import FakeSite
from tests.cmtrace_lines import read_log

app = typer.Typer()
app.command()(client_command)


def test_one_round(tmp_path: Path) -> None:
    site = FakeSite(tmp_path / "packages")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(site.start(), loop).result(5)
    try:
        arguments = ["--mp", site.mp.url, "--name", "PC07", "--data", str(tmp_path / "clients"), "--once"]
        # a site's clock that stands still, and goes wrong on this client's wall by a day
        clock = ClockSettings(frozen=True, site_origin=1_243_843_200.0, skew={"PC07": 86400.0})
        (tmp_path / "clock.json").write_text(clock.model_dump_json(), encoding="utf-8")
        arguments += ["--clock-of", str(tmp_path), "--log-dir", str(tmp_path / "logs")]
        result = CliRunner().invoke(app, arguments)
    finally:
        asyncio.run_coroutine_threadsafe(site.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert result.exit_code == 0, result.output
    assert "3 messages sent, 0 held" in result.output
    assert [message.sent_time for message in site.mp.reports] == ["2009-06-02T08:00:00Z"] * 3
    told = read_history(tmp_path / "clients" / "PC07" / "journal.jsonl")
    assert [e.phase for e in told if e.what == "send_report"] == ["invoke", "ok"] * 3
    lines = read_log(tmp_path / "logs" / "PC07" / "CcmMessaging.log")
    assert sum("report acknowledged" in line["text"] for line in lines) == 3
    assert {line["date"] for line in lines} == {"06-02-2009"}


def test_the_time_of_a_site_is_told(tmp_path: Path) -> None:
    clock = ClockSettings(speed=2.0, site_origin=1_000_000.0)
    (tmp_path / "clock.json").write_text(clock.model_dump_json(), "utf-8")
    arguments = ["--mp", "http://127.0.0.1:9", "--data", str(tmp_path), "--once"]
    result = CliRunner().invoke(app, [*arguments, "--clock-of", str(tmp_path)])
    assert result.exit_code == 1
    first = read_history(tmp_path / "PC01" / "journal.jsonl")[0]
    assert 1_000_000 <= first.site_time < 1_000_000 + 2 * 600


def test_a_folder_without_a_clock_is_refused(tmp_path: Path) -> None:
    arguments = ["--mp", "http://127.0.0.1:9", "--clock-of", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "clock.json: there is no clock of a site" in result.output


def test_nobody_there(tmp_path: Path) -> None:
    arguments = ["--mp", "http://127.0.0.1:9", "--data", str(tmp_path), "--once"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "ManagementPointUnavailable" in result.output


def test_many_containers_can_be_given_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client is named like its machine, and nobody there keeps it from collecting."""
    monkeypatch.setattr("socket.gethostname", lambda: "clients-17.fleet.example")
    arguments = ["--mp", "http://127.0.0.1:9", "--data", str(tmp_path), "--once", "--by-hostname"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "clients-17 collected" in result.output
    assert "0 messages sent, 3 held" in result.output
    assert (tmp_path / "clients-17").is_dir()
