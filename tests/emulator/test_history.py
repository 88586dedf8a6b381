"""Every operation is an invoke, then one completion; on disk as it happens."""

import json
import re
from pathlib import Path

import pytest

from emulator.clock import Clock, ClockSettings
from emulator.errors import MalformedHistory
from emulator.history import Event, History, Phase, merge, read_history, write_history


def test_an_operation_is_joined_by_its_number(tmp_path: Path) -> None:
    history = History(path=tmp_path / "h.jsonl")
    first = history.invoke("PC01", "register", url="u")
    second = history.invoke("PC02", "register")
    second.fail(status=500)
    first.ok(smsid="GUID:1")
    history.close()
    lines = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text().splitlines()]
    assert [(e["phase"], e["who"], e["operation"]) for e in lines] == [
        ("invoke", "PC01", 0),
        ("invoke", "PC02", 1),
        ("fail", "PC02", 1),
        ("ok", "PC01", 0),
    ]
    assert lines[2]["detail"] == {"status": 500}


def test_lines_are_there_before_the_run_ends(tmp_path: Path) -> None:
    history = History(path=tmp_path / "h.jsonl")
    history.note("operator", "hello")
    assert "hello" in (tmp_path / "h.jsonl").read_text()
    history.close()


def test_site_time_runs_at_its_speed_from_its_origin() -> None:
    clock = Clock(ClockSettings(speed=3600, site_origin=1000.0))
    before = clock.time()
    assert 1000.0 <= before < 1000.0 + 3600 * 60
    assert clock.real_seconds(3600) == 1.0
    assert Clock(clock.settings).time() >= before


def told(path: Path, *words: str) -> None:
    history = History(path=path)
    for word in words:
        history.invoke("PC01", word).ok(heard=word)
    history.close()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history = History(path=path)
    history.invoke("PC01", "register", url="u").unknown(seen="nothing")
    history.note("site", "started", roles={"mp": "management_point"})
    history.close()
    assert read_history(path) == history.events


def test_a_torn_last_line_is_left_out_and_cut_off_when_the_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    told(path, "one", "two")
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:-20], whole + b'{"numb', whole + b"{}"):
        path.write_bytes(torn)
        kept = [e.what for e in read_history(path)]
        told(path, "three")
        events = read_history(path)
        assert [e.what for e in events] == [*kept, "three", "three"]
        assert [e.number for e in events] == list(range(len(events)))
        assert events[-1].operation == events[-2].number
        path.write_bytes(whole)


def test_an_operation_that_a_kill_cut_off_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    killed = History(path=path)
    killed.invoke("PC01", "send_report")
    killed.close()
    told(path, "later")
    first, *later = read_history(path)
    assert first.phase == "invoke"
    assert all(e.operation != first.number for e in later)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "a line of a history is a JSON object with number, operation, phase"),
        ('{"number": 1}', "a line of a history is a JSON object"),
        ("[]", "a line of a history is a JSON object"),
        (dict(phase="done"), "unknown phase 'done'; valid: invoke, ok, fail, unknown, note"),
        (dict(operation=7, phase="ok"), "it ends operation 7, which never began"),
        (dict(detail=[]), "the detail is no JSON object"),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str | dict[str, object], says: str) -> None:
    good: dict[str, object] = dict(
        number=0, operation=0, phase="note", who="a", what="b", real_time=1.0, site_time=1.0, detail={}
    )
    path = tmp_path / "h.jsonl"
    text = line if isinstance(line, str) else json.dumps(good | {"number": 1} | line)
    path.write_text(f"{json.dumps(good)}\n{text}\n")
    with pytest.raises(MalformedHistory, match=re.escape(f"{path}:2: {says}")):
        read_history(path)


def at(number: int, real: float, what: str, operation: int | None = None, phase: Phase = "note") -> Event:
    return Event(number, number if operation is None else operation, phase, what[0], what, real, real)


def test_histories_of_several_writers_become_one_in_the_order_of_real_time() -> None:
    one = [at(0, 1.0, "a0", phase="invoke"), at(1, 4.0, "a1"), at(2, 6.0, "a0", 0, "ok")]
    two = [at(0, 2.0, "b0", phase="invoke"), at(1, 5.0, "b0", 0, "fail")]
    merged = merge(one, two)
    assert [(e.what, e.phase) for e in merged] == [
        ("a0", "invoke"),
        ("b0", "invoke"),
        ("a1", "note"),
        ("b0", "fail"),
        ("a0", "ok"),
    ]
    assert [e.number for e in merged] == [0, 1, 2, 3, 4]
    assert [e.operation for e in merged] == [0, 1, 2, 1, 0]


def test_a_clock_that_is_set_back_does_not_turn_a_writers_own_order_round() -> None:
    one = [at(0, 10.0, "a0", phase="invoke"), at(1, 3.0, "a0", 0, "ok")]
    assert [e.what for e in merge(one, [at(0, 5.0, "b0")])] == ["b0", "a0", "a0"]


def test_a_history_is_written_whole_in_the_place_of_another(tmp_path: Path) -> None:
    one, other = History(Clock()), History(Clock())
    operation = one.invoke("PC01", "register")
    other.note("PC02", "client_started")
    operation.ok()
    path = tmp_path / "run.jsonl"
    path.write_text("something else\n")
    merged = merge(one.events, other.events)
    write_history(path, merged)
    assert read_history(path) == merged
    assert list(tmp_path.iterdir()) == [path]
