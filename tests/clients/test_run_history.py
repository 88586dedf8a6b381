from __future__ import annotations

from pathlib import Path

import pytest

from clients.run_history import FAILED, INTERRUPTED, RUNNING, SUCCEEDED, Run, RunHistory, may_rerun


def run(number: int, program: str = "Install", result: str = RUNNING) -> Run:
    return Run(f"run{number}", f"wish{number}", "S0120001", "S0100001", 1, program, "", "2009-06-01", result)


def test_a_finished_run_is_remembered(tmp_path: Path) -> None:
    history = RunHistory(tmp_path / "runs.jsonl")
    history.finish(history.start(run(1)), SUCCEEDED, "2009-06-02", 0)
    (found,) = RunHistory(tmp_path / "runs.jsonl").runs
    assert (found.result, found.exit_code, found.finished) == (SUCCEEDED, 0, "2009-06-02")


def test_a_run_without_an_end_is_still_running(tmp_path: Path) -> None:
    RunHistory(tmp_path / "runs.jsonl").start(run(1))
    again = RunHistory(tmp_path / "runs.jsonl")
    assert again.of_wanted("wish1") == run(1)
    assert again.last("S0100001", "Install") == run(1)
    assert again.last("S0100001", "Remove") is None


def test_a_torn_line_never_counted(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    RunHistory(path).start(run(1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:30].replace(b"run1", b"run2"))
    history = RunHistory(path)
    assert [r.run_id for r in history.runs] == ["run1"]
    history.start(run(3))
    assert [r.run_id for r in RunHistory(path).runs] == ["run1", "run3"]


@pytest.mark.parametrize(
    ("behaviour", "after"),
    [
        ("RerunAlways", {SUCCEEDED: True, FAILED: True, INTERRUPTED: True}),
        ("NeverRerun", {SUCCEEDED: False, FAILED: False, INTERRUPTED: False}),
        ("RerunIfFail", {SUCCEEDED: False, FAILED: True, INTERRUPTED: True}),
        ("RerunIfSuccess", {SUCCEEDED: True, FAILED: False, INTERRUPTED: False}),
    ],
)
def test_rerun_behaviours(behaviour: str, after: dict[str, bool]) -> None:
    assert may_rerun(behaviour, None)
    assert {result: may_rerun(behaviour, run(1, result=result)) for result in after} == after
