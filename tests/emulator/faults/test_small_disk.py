"""A small file system in a folder's place: full for real, and nothing is lost in the change-over."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.errors import FaultRefused
from emulator.faults.small_disk import SmallDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "old").write_text("old")
    (folder / "removed").write_text("removed meanwhile")
    disk = SmallDisk(folder)
    yield disk
    disk.unmount()


@pytest.fixture
def mounted(disk: SmallDisk) -> SmallDisk:
    try:
        disk.mount(8192)
    except FaultRefused as exc:
        pytest.skip(str(exc))
    return disk


def test_it_holds_what_the_folder_held_and_is_full(mounted: SmallDisk) -> None:
    folder = mounted.folder
    assert (folder / "below" / "old").read_text() == "old"
    (folder / "new").write_bytes(b"x" * 8192)
    with pytest.raises(OSError) as caught, (folder / "more").open("wb") as file:
        file.write(b"x")
    assert caught.value.errno == errno.ENOSPC


def test_what_was_done_on_it_is_there_afterwards(mounted: SmallDisk) -> None:
    folder = mounted.folder
    (folder / "new").write_text("new")
    (folder / "below" / "old").write_text("newer")
    (folder / "removed").unlink()
    mounted.unmount()
    assert not folder.is_mount()
    assert {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "new": "new",
        "old": "newer",
    }
    (folder / "more").write_bytes(b"x" * 100_000)


def test_an_unfinished_file_is_finished_nowhere(disk: SmallDisk) -> None:
    # A thread writes while the disk is changed: its rename has to fail, not to publish half a file.
    unfinished = disk.folder / "x.tmp"
    with unfinished.open("wb") as file:
        file.write(b"ha")
        file.flush()
        try:
            disk.mount(4096)
        except FaultRefused as exc:
            pytest.skip(str(exc))
        file.write(b"lf")
    with pytest.raises(FileNotFoundError):
        unfinished.replace(disk.folder / "x")


def test_what_was_renamed_while_we_copied_is_seen(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    copytree = shutil.copytree

    def copy_and_somebody_writes(*args: object, **options: object) -> object:
        done = copytree(*args, **options)  # type: ignore[arg-type]
        (disk.folder / "late").write_text("acknowledged")
        return done

    monkeypatch.setattr(shutil, "copytree", copy_and_somebody_writes)
    try:
        disk.mount(8192)
    except FaultRefused as exc:
        pytest.skip(str(exc))
    assert (disk.folder / "late").read_text() == "acknowledged"


def test_where_nobody_may_mount_it_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.faults import small_disk

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(small_disk, "_mount", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        FaultRefused, match=r"disk_full: .* cannot be mounted here \(Operation not permitted\)"
    ):
        SmallDisk(tmp_path / "folder").mount(0)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
