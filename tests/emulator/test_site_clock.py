"""The hands of a site's clock: what they do, what is refused, and what stands in the history."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from emulator.clock import ClockSettings
from emulator.errors import ClockRefused
from emulator.history import History
from emulator.site_clock import SiteClock, kept_settings
from fixtures.topologies import find_topology

START = 1_243_843_200.0


@pytest.fixture
def clock(tmp_path: Path) -> SiteClock:
    settings = ClockSettings(frozen=True, site_origin=START)
    made = SiteClock(tmp_path, settings, find_topology("typical"))
    made.history = History(made)
    return made


def test_each_hand(clock: SiteClock) -> None:
    told: list[float] = []
    clock.on_changed = lambda: told.append(clock.time())
    clock.set_speed(3600)
    clock.advance(90)
    assert (clock.speed, clock.frozen, clock.time()) == (3600, True, START + 90)
    clock.resume()
    assert not clock.frozen
    clock.freeze()
    assert clock.frozen
    assert clock.time() >= START + 90
    assert len(told) == 4


def test_several_at_one_moment(clock: SiteClock) -> None:
    clock.set(speed=60, frozen=True, advance=10, skew={"management_point": 5, "DP2": -3})
    assert clock.settings.skew == {"management_point": 5, "distribution_point_2": -3}
    clock.set_skew("management_point", 0)
    assert clock.settings.skew == {"distribution_point_2": -3}
    assert clock.history
    assert [(e.who, e.what) for e in clock.history.events] == [("operator", "set_clock")] * 2
    first = clock.history.events[0]
    assert first.site_time == first.detail["site_time_set"] == START + 10
    assert first.detail["skew"] == {"management_point": 5, "DP2": -3}


def test_a_skew_is_set_by_role_kind_computer_or_client(clock: SiteClock) -> None:
    clock.of("PC01")
    clock.set_skew("distribution_point", 1)
    clock.set_skew("SITESRV", 2)  # the database's computer too; nobody asks that for the time
    clock.set_skew("PC01", 3)
    assert clock.settings.skew == {
        "distribution_point_1": 1,
        "distribution_point_2": 1,
        "site_server": 2,
        "PC01": 3,
    }
    assert clock.of("PC01").time() == START + 3
    assert clock.time() == START


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"speed": 0}, r"speed: 0 is not possible; valid: 0\.001 to 1e\+06"),
        ({"speed": math.nan}, "speed: nan is no number"),
        ({"speed": "fast"}, "speed: 'fast' is no number"),
        ({"advance": -1}, "advance: -1 is not possible; valid: 0 to"),
        ({"advance": 2.21e11}, "advance: 2.21e.11 s lead beyond the year 9000"),
        ({"frozen": "yes"}, "frozen: 'yes' is neither true nor false"),
        ({"skew": {"management_point": math.inf}}, "skew of management_point: inf is no number"),
        ({"skew": {"management_point": 1e12}}, "skew of management_point: 1e.12 is not possible"),
        ({"skew": {"PC99": 1}}, "nothing is called 'PC99'; valid: DP1, .*; clients: PC01"),
        (
            {"skew": {"site_database": 1}},
            "nobody asks the clock of the site database; valid: site_server, .*PC01",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused_changes_nothing(clock: SiteClock, change: dict[str, Any], told: str) -> None:
    clock.of("PC01")
    before = clock.settings
    with pytest.raises(ClockRefused, match=told):
        clock.set(**{"speed": 5.0, **change})
    assert clock.settings == before
    assert clock.history
    assert clock.history.events == []


async def test_the_next_due_time_and_the_jump_to_it(clock: SiteClock) -> None:
    client = clock.of("PC01")
    clock.set_skew("PC01", 100)
    sleeper = asyncio.create_task(client.sleep_until(START + 250))
    await asyncio.sleep(0)
    due = clock.next_due()
    assert due == START + 150  # by the right clock
    clock.jump_to(due)
    await sleeper
    assert client.time() == START + 250


def test_a_folder_keeps_its_clock(tmp_path: Path, clock: SiteClock) -> None:
    clock.set(speed=60, advance=10, skew={"management_point": 5})
    assert kept_settings(tmp_path, None) == clock.settings
    faster = kept_settings(tmp_path, 120)
    assert (faster.speed, faster.frozen, faster.skew) == (120, True, {"management_point": 5})
    assert faster.site_origin == START + 10
    assert kept_settings(tmp_path / "another", None).speed == 1
    with pytest.raises(ClockRefused, match="speed: -2 is not possible"):
        kept_settings(tmp_path, -2)


def test_while_a_site_is_off_its_clock_runs_on(tmp_path: Path, clock: SiteClock) -> None:
    clock.set(speed=100, frozen=False)
    kept = kept_settings(tmp_path, None)
    assert kept.site_time(kept.real_origin + 60) == pytest.approx(START + 6000)
