"""The ring of one role: bounded, numbered across restarts, readable after a torn line."""

import asyncio
import errno
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.clock import Clock, ClockSettings
from emulator.errors import CannotStart
from emulator.message_journal import (
    EACH,
    LINES,
    SEGMENTS,
    SHORT,
    MessageJournal,
    begin,
    entry_of,
    last_number,
    segments,
    tell,
)

SEEN = ("GET", "/", 200, 0)


def journal(folder: Path, limit: int = 64 * 1024) -> MessageJournal:
    return MessageJournal(folder, Clock(), limit)


def record(ring: MessageJournal, told: dict[str, object], body: bytes) -> None:
    ring.record(SEEN, {**told, "body": body}, time.perf_counter())


def lines(folder: Path) -> list[dict[str, object]]:
    return [
        entry_of(line, "management_point")
        for segment in segments(folder)
        for line in (folder / f"{segment:08}{LINES}").read_bytes().splitlines()
    ]


def whole_lines(folder: Path) -> list[dict[str, object]]:
    """As a reader has them: what was torn is left out."""
    whole = []
    for segment in segments(folder):
        for line in (folder / f"{segment:08}{LINES}").read_bytes().splitlines():
            with suppress(ValueError):
                whole.append(entry_of(line, "management_point"))
    return whole


def test_a_message_is_a_line_and_its_body_lies_beside_it(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    record(ring, {"kind": "status", "client": "PC01"}, b"first")
    record(ring, {"kind": "state"}, b"second")
    ring.close()
    first, second = lines(tmp_path)
    assert (first["kind"], first["client"], first["number"], first["body"]) == (
        "status",
        "PC01",
        1,
        [1, 0, 5, 5],
    )
    assert (second["role"], second["number"], second["body"]) == ("management_point", 2, [1, 5, 6, 6])
    assert (tmp_path / "00000001.bodies").read_bytes() == b"firstsecond"


def test_a_short_text_stands_in_its_line_and_a_long_one_beside_it(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    for text in ("", "P\udcff\u00e7", "x" * SHORT, "y" * (SHORT + 1)):
        ring.record(SEEN, {"body": text}, time.perf_counter())
    ring.record(SEEN, {}, time.perf_counter())
    ring.close()
    found = [line["body"] for line in lines(tmp_path)]
    assert found == ["", "P\udcff\u00e7", "x" * SHORT, [1, 0, SHORT + 1, SHORT + 1], ""]
    assert (tmp_path / "00000001.bodies").read_bytes() == b"y" * (SHORT + 1)


def test_each_of_several_messages_in_one_gets_a_line(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    ring.record(SEEN, {"client": "PC01", EACH: [{"kind": "a", "body": b"1"}, {"kind": "b"}]}, 0.0)
    ring.close()
    first, second = lines(tmp_path)
    assert (first["number"], first["client"], first["kind"], first["body"]) == (1, "PC01", "a", [1, 0, 1, 1])
    assert (second["number"], second["client"], second["kind"], second["body"]) == (2, "PC01", "b", "")


def test_a_line_is_read_by_name(tmp_path: Path) -> None:
    ring = MessageJournal(tmp_path, Clock(ClockSettings(frozen=True, site_origin=7.0)), 1 << 20)
    ring.record(("CCM_POST", "/ccm_system/request", None, 12), {"reason": "no", "path": "/told"}, 0.0)
    ring.close()
    (line,) = lines(tmp_path)
    assert line.pop("real_time") == pytest.approx(time.time(), abs=60)  # type: ignore[call-overload]
    assert line.pop("seconds") == pytest.approx(time.perf_counter(), abs=60)  # type: ignore[call-overload]
    assert line == {
        "number": 1,
        "role": "management_point",
        "site_time": 7.0,
        "method": "CCM_POST",
        "path": "/told",
        "status": None,
        "bytes_in": 12,
        "body": "",
        "reason": "no",
    }


def test_the_ring_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    limit = 16 * 1024
    ring = journal(tmp_path, limit)
    for number in range(2000):
        record(ring, {"path": f"/{number}"}, b"x" * 100)
    ring.close()
    assert len(segments(tmp_path)) == SEGMENTS
    # A line may be longer than what was left of its segment's share.
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < limit * 1.2
    assert lines(tmp_path)[-1]["number"] == 2000


def test_a_body_that_would_fill_the_ring_is_cut_and_says_so(tmp_path: Path) -> None:
    ring = journal(tmp_path, 8000)
    record(ring, {}, b"x" * 5000)
    ring.close()
    assert lines(tmp_path)[0]["body"] == [1, 0, 1000, 5000]


def test_a_name_that_is_no_unicode_is_written_down_all_the_same(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    record(ring, {"client": "PC\udcff01"}, b"")
    record(ring, {"client": "P\u00e7\u2028"}, b"")
    ring.close()
    assert [line["client"] for line in lines(tmp_path)] == ["PC\udcff01", "P\u00e7\u2028"]


def test_numbers_go_on_after_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    record(ring, {}, b"")
    record(ring, {}, b"")
    ring.close()
    with (tmp_path / "00000001.jsonl").open("ab") as file:
        file.write(b"[3,1795894645.1")  # killed in the middle
    assert last_number(tmp_path / "00000001.jsonl") == 2
    again = journal(tmp_path)
    record(again, {}, b"")
    again.close()
    assert [line["number"] for line in whole_lines(tmp_path)] == [1, 2, 3]


def test_a_role_that_comes_back_costs_the_ring_nothing(tmp_path: Path) -> None:
    for number in range(3 * SEGMENTS):
        ring = journal(tmp_path)
        record(ring, {"path": f"/{number}"}, b"body")
        ring.close()
    assert segments(tmp_path) == [1]
    kept = lines(tmp_path)
    assert [line["number"] for line in kept] == list(range(1, 3 * SEGMENTS + 1))
    assert kept[-1]["body"] == [1, 4 * (3 * SEGMENTS - 1), 4, 4]


def test_a_ring_is_as_bounded_after_many_restarts(tmp_path: Path) -> None:
    limit = 16 * 1024
    for _ in range(20):
        ring = journal(tmp_path, limit)
        for _ in range(100):
            record(ring, {}, b"x" * 100)
        ring.close()
    assert len(segments(tmp_path)) == SEGMENTS
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < limit * 1.2
    assert lines(tmp_path)[-1]["number"] == 2000


def test_numbers_go_on_when_the_last_segments_are_empty(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    record(ring, {}, b"")
    ring.close()
    for empty in (2, 3, 4):
        (tmp_path / f"{empty:08}{LINES}").touch()
    assert journal(tmp_path).number == 1


def test_a_segment_that_cannot_be_begun_lets_the_last_one_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = journal(tmp_path, 4000)
    opened = os.open

    def full(path: Path, flags: int) -> int:
        if path.suffix == LINES:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        for _ in range(30):
            record(ring, {}, b"x" * 100)
    record(ring, {}, b"last")
    ring.close()
    kept = lines(tmp_path)
    assert [line["number"] for line in kept] == list(range(1, 32))
    assert {line["body"][0] for line in kept[:30]} == {1}  # type: ignore[index]


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be written"):
        journal(tmp_path / "file")


async def test_what_is_told_belongs_to_the_message_being_answered() -> None:
    async def answer(number: int) -> dict[str, object]:
        told = begin()
        await asyncio.sleep(0)
        tell(number=number)
        return told

    tell(nobody="listens")
    told = await asyncio.gather(*(asyncio.create_task(answer(n)) for n in range(3)))
    assert told == [{"number": 0}, {"number": 1}, {"number": 2}]
