"""Who follows a clock file tells the time that holds now, whether they were told of a change or not."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from emulator.clock import Clock, ClockSettings
from emulator.clock_file import FILE_NAME, FollowedTimeline, KeptTimeline, follow, look, read_clock
from emulator.errors import ClockRefused

START = 1_243_843_200.0
FAR = ClockSettings(frozen=True, site_origin=START + 1e6)


@pytest.fixture
def kept(tmp_path: Path) -> KeptTimeline:
    return KeptTimeline(tmp_path / FILE_NAME, ClockSettings(frozen=True, site_origin=START))


def follower(tmp_path: Path, look_every: float | None = None) -> Clock:
    """A clock as another process has it: it knows the file alone."""
    fallback = ClockSettings(frozen=True, site_origin=1.0)
    return Clock(who="MP1", timeline=FollowedTimeline(tmp_path / FILE_NAME, fallback, look_every))


def test_a_follower_never_tells_an_old_time(tmp_path: Path, kept: KeptTimeline) -> None:
    clock = follower(tmp_path)
    assert clock.time() == START
    for step in range(1, 50):
        skew = {"MP1": float(step)}
        kept.change(ClockSettings(frozen=True, site_origin=START + 10.0 * step, skew=skew))
        assert clock.time() == START + 11.0 * step
    assert read_clock(tmp_path / FILE_NAME) == kept.state


async def test_a_sleeper_is_woken_when_somebody_tells(tmp_path: Path, kept: KeptTimeline) -> None:
    clock = follower(tmp_path)
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    kept.change(FAR)
    look(clock)
    async with asyncio.timeout(20):
        await sleeper


async def test_whom_nobody_tells_looks_for_himself(tmp_path: Path, kept: KeptTimeline) -> None:
    sleeper = asyncio.create_task(follower(tmp_path, look_every=0.02).sleep(3600))
    await asyncio.sleep(0)
    kept.change(FAR)
    async with asyncio.timeout(20):
        await sleeper


def test_clocks_of_one_process_share_what_they_follow(tmp_path: Path, kept: KeptTimeline) -> None:
    assert follow(tmp_path / FILE_NAME, "MP1").timeline is kept
    assert follow(tmp_path / "x" / ".." / FILE_NAME, "MP2").timeline is kept
    assert kept.names == {"MP1", "MP2"}


def test_without_a_file_the_clock_is_the_one_given(tmp_path: Path) -> None:
    clock = follow(tmp_path / FILE_NAME, "DP1", ClockSettings(frozen=True, site_origin=7.0))
    assert clock.time() == 7
    master = KeptTimeline(tmp_path / FILE_NAME, ClockSettings(frozen=True, site_origin=START))
    assert clock.time() == START
    (tmp_path / FILE_NAME).unlink()
    assert clock.time() == master.time()  # the last that was known


def test_a_spoilt_file_changes_nothing(
    tmp_path: Path, kept: KeptTimeline, caplog: pytest.LogCaptureFixture
) -> None:
    clock = follower(tmp_path)
    (tmp_path / FILE_NAME).write_text('{"speed": -1}')
    look(clock)
    assert clock.time() == START
    assert "clock.json" in caplog.text


def test_what_is_written_by_hand_is_found_by_whoever_looks(tmp_path: Path, kept: KeptTimeline) -> None:
    clock = follower(tmp_path)
    (tmp_path / FILE_NAME).write_text(FAR.model_dump_json())
    look(clock)
    assert clock.time() == FAR.site_origin


def test_a_follower_goes_on_with_another_run(tmp_path: Path, kept: KeptTimeline) -> None:
    clock = follower(tmp_path)
    assert clock.time() == START
    again = KeptTimeline(tmp_path / FILE_NAME, FAR)
    assert clock.time() == FAR.site_origin
    again.change(kept.state)
    assert clock.time() == START


def test_a_follower_finds_the_files_of_a_new_folder(tmp_path: Path, kept: KeptTimeline) -> None:
    clock = follower(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    again = KeptTimeline(tmp_path / FILE_NAME, FAR)
    look(clock)
    assert clock.time() == FAR.site_origin
    again.change(kept.state)
    assert clock.time() == START


def test_without_a_counter_the_file_is_looked_at(
    tmp_path: Path, kept: KeptTimeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.clock_file._mapped", lambda path: None)  # a file system that cannot
    clock = follower(tmp_path)
    kept.change(FAR)
    assert clock.time() == FAR.site_origin


def test_what_cannot_be_kept_does_not_happen(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    timeline = KeptTimeline(folder / FILE_NAME, ClockSettings(frozen=True, site_origin=START))
    shutil.rmtree(folder)
    with pytest.raises(ClockRefused, match=r"data/clock\.json: the clock cannot be kept"):
        timeline.change(FAR)
    assert timeline.time() == START
