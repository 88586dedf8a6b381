"""Lines that CMTrace opens, one file a component."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator.cmtrace import cmtrace_line, logs_in
from emulator.errors import CannotStart
from emulator.logs import get_logger, lines_tell_time
from tests.cmtrace_lines import LINE


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("cmemu.mpfdm", level, "x.py", 1, text, None, None)


@pytest.mark.parametrize(
    ("level", "kind"), [(logging.INFO, "1"), (logging.WARNING, "2"), (logging.ERROR, "3")]
)
def test_a_line_has_every_field_that_cmtrace_reads(level: int, kind: str) -> None:
    at = datetime(2026, 11, 28, 12, 1, 7, 123456, tzinfo=UTC)
    found = LINE.fullmatch(cmtrace_line(record(level, "moved"), "mpfdm", at))
    assert found
    assert found["text"] == "moved"
    assert (found["time"], found["date"]) == ("12:01:07.123+000", "11-28-2026")
    assert (found["component"], found["type"]) == ("mpfdm", kind)


def test_a_text_cannot_end_its_line_early() -> None:
    line = cmtrace_line(record(logging.INFO, 'a]LOG]!><time="0'), "mpfdm")
    assert line.count("]LOG]!>") == 1


def test_each_component_has_its_own_file_and_the_site_s_time(tmp_path: Path) -> None:
    with logs_in(tmp_path / "logs"), lines_tell_time(lambda: datetime(2031, 2, 3, tzinfo=UTC)):
        get_logger("mpfdm").info("moved", file="x")
        get_logger("dataldr").warning("waits")
    assert sorted(file.name for file in (tmp_path / "logs").iterdir()) == ["dataldr.log", "mpfdm.log"]
    found = LINE.fullmatch((tmp_path / "logs" / "mpfdm.log").read_text())
    assert found
    assert "moved" in found["text"]
    assert found["date"] == "02-03-2031"


def test_a_client_has_a_folder_of_its_own(tmp_path: Path) -> None:
    now = datetime(2031, 2, 3, tzinfo=UTC)
    with logs_in(tmp_path), lines_tell_time(lambda: now):
        with lines_tell_time(lambda: now, "PC01"):
            get_logger("CAS").info("content verified")
        get_logger("mpfdm").info("moved")
    assert sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.log")) == [
        "PC01/CAS.log",
        "mpfdm.log",
    ]


def test_a_long_log_goes_on_in_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.cmtrace.MOST", 400)
    with logs_in(tmp_path):
        for number in range(11):
            get_logger("mpfdm").info(f"line {number:02}")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mpfdm.lo_", "mpfdm.log"]
    old, new = ((tmp_path / f"mpfdm.{end}").read_text() for end in ("lo_", "log"))
    assert 400 <= len(old) < 800
    last = int(old.rpartition("line ")[2][:2])
    assert f"line {last + 1:02}" in new.splitlines()[0]
    assert all(LINE.fullmatch(line + "\n") for line in (old + new).splitlines())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be written"):
        logs_in(tmp_path / "file")
