"""A spool keeps what it acknowledged, in order, across restarts."""

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import CannotStart, UnsafePath
from emulator.spool import Spool, _write_in_order, write_durably


async def test_files_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for key in ("b", "a", "c"):
        await spool.put(key, key.encode())
    assert [e.key for e in Spool(tmp_path).entries()] == ["b", "a", "c"]


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.put("a", b"1")
    again = Spool(tmp_path)
    await again.put("b", b"2")
    assert [e.key for e in again.entries()] == ["a", "b"]


async def test_a_key_is_held_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first, second = await asyncio.gather(spool.put("a", b"1"), spool.put("a", b"2"))
    assert first == second
    assert first.read() == b"1"
    assert len(list(tmp_path.glob("*.msg"))) == 1


async def test_a_half_written_file_was_never_put(tmp_path: Path) -> None:
    (tmp_path / "000000000001-a.msg.tmp").write_bytes(b"ha")
    assert Spool(tmp_path).entries() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["../a", "a/b", "", "a\0", "a.b"])
async def test_names_that_leave_the_folder_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UnsafePath):
        await Spool(tmp_path).put(key, b"")


async def test_a_refusing_disk_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        await spool.put("a", b"1")
    assert spool.entries() == []
    assert Spool(tmp_path).entries() == []


async def test_quarantine_takes_a_file_out_of_the_queue_and_keeps_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entry = await spool.put("a", b"1")
    aside = spool.quarantine(entry, "BADMIFS", "not a MIF")
    assert spool.entries() == []
    assert aside.read_bytes() == b"1"
    assert (aside.parent / f"{aside.name}.reason.txt").read_text() == "not a MIF\n"


async def test_waiting_ends_when_something_comes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    waiting = asyncio.create_task(spool.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    await spool.put("a", b"1")
    await asyncio.wait_for(waiting, 1)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="file"):
        Spool(tmp_path / "file" / "box")


def test_replacing_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_durably(tmp_path / "x", b"1")
    write_durably(tmp_path / "x", b"2")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"2")]


async def test_several_files_are_kept_in_their_order_and_each_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    held = await spool.put("b", b"1")
    entries = await spool.put_all([("c", b"2"), ("b", b"other"), ("a", b"3"), ("c", b"other")])
    assert [e.key for e in entries] == ["c", "b", "a", "c"]
    assert entries[1] == held
    assert [(e.key, e.read()) for e in Spool(tmp_path).entries()] == [("b", b"1"), ("c", b"2"), ("a", b"3")]
    assert [e.key for e in spool.entries()] == ["b", "c", "a"]


async def test_what_is_held_already_may_leave_while_others_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    first = await spool.put("a", b"1")

    def leave_then_write(files: Any, written: Any) -> None:
        spool.remove(first)
        _write_in_order(files, written)

    monkeypatch.setattr("emulator.spool._write_in_order", leave_then_write)
    kept = await spool.put_all([("a", b"1"), ("b", b"2"), ("b", b"2")])
    assert [entry.key for entry in kept] == ["a", "b", "b"]
    assert [entry.key for entry in spool.entries()] == ["b"]


async def test_a_disk_that_fills_up_keeps_what_it_had_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if "-c.msg" in self.name:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        await spool.put_all([("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")])
    assert [e.key for e in spool.entries()] == ["a", "b"]
    monkeypatch.undo()
    await spool.put_all([("b", b"2"), ("c", b"3")])
    assert [e.key for e in Spool(tmp_path).entries()] == [e.key for e in spool.entries()] == ["a", "b", "c"]


async def test_who_gives_up_waiting_leaves_no_file_that_nobody_knows(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    putting = asyncio.create_task(spool.put("a", b"1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    await spool.put("b", b"2")
    assert [e.key for e in spool.entries()] == [e.key for e in Spool(tmp_path).entries()] == ["a", "b"]


async def test_who_gives_up_waiting_goes_when_nothing_is_being_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He may tidy the folder up next."""
    begun, sync = threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        begun.set()
        time.sleep(0.05)  # a busy disk
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    putting = asyncio.create_task(Spool(tmp_path).put("a", b"1"))
    await asyncio.to_thread(begun.wait)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    assert [file.name for file in tmp_path.iterdir()] == ["000000000001-a.msg"]
    assert putting.cancelled()


def test_a_leftover_that_is_put_in_its_place_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a thread of an earlier life that still writes."""
    glob = Path.glob

    def late(self: Path, pattern: str) -> list[Path]:
        found = list(glob(self, pattern))
        return [*found, self / "000000000001-a.msg.tmp"] if pattern == "*.tmp" else found

    monkeypatch.setattr(Path, "glob", late)
    assert Spool(tmp_path).entries() == []
