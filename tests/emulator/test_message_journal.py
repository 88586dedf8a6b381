"""The ring of one role: bounded, numbered across restarts, readable after a torn line."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from emulator.clock import Clock
from emulator.errors import CannotStart
from emulator.message_journal import LINES, SEGMENTS, MessageJournal, begin, last_number, segments, tell


def journal(folder: Path, limit: int = 64 * 1024) -> MessageJournal:
    return MessageJournal(folder, "management_point", Clock(), limit)


def lines(folder: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for segment in segments(folder)
        for line in (folder / f"{segment:08}{LINES}").read_bytes().splitlines()
    ]


def test_a_message_is_a_line_and_its_body_lies_beside_it(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    ring.record({"kind": "status", "client": "PC01"}, b"first", time.perf_counter())
    ring.record({"kind": "state"}, b"second", time.perf_counter())
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


def test_the_ring_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    limit = 16 * 1024
    ring = journal(tmp_path, limit)
    for number in range(2000):
        ring.record({"path": f"/{number}"}, b"x" * 100, time.perf_counter())
    ring.close()
    assert len(segments(tmp_path)) == SEGMENTS
    # A line may be longer than what was left of its segment's share.
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < limit * 1.2
    assert lines(tmp_path)[-1]["number"] == 2000


def test_a_body_that_would_fill_the_ring_is_cut_and_says_so(tmp_path: Path) -> None:
    ring = journal(tmp_path, 8000)
    ring.record({}, b"x" * 5000, time.perf_counter())
    ring.close()
    assert lines(tmp_path)[0]["body"] == [1, 0, 1000, 5000]


def test_a_name_that_is_no_unicode_is_written_down_all_the_same(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    ring.record({"client": "PC\udcff01"}, b"", time.perf_counter())
    ring.record({"client": "P\u00e7\u2028"}, b"", time.perf_counter())
    ring.close()
    assert [line["client"] for line in lines(tmp_path)] == ["PC\udcff01", "P\u00e7\u2028"]


def test_numbers_go_on_after_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    ring = journal(tmp_path)
    ring.record({}, b"", time.perf_counter())
    ring.record({}, b"", time.perf_counter())
    ring.close()
    with (tmp_path / "00000001.jsonl").open("ab") as file:
        file.write(b'{"number":3,"rol')  # killed in the middle
    assert last_number(tmp_path / "00000001.jsonl") == 2
    again = journal(tmp_path)
    again.record({}, b"", time.perf_counter())
    again.close()
    assert again.number == 3
    assert segments(tmp_path) == [1, 2]


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
