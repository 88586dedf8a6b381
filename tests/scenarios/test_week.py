"""A week of a small site, with two outages in it, ends with exactly the reports that a week owes."""

from __future__ import annotations

from pathlib import Path

from emulator.protocol.report_file import ReportKind
from emulator.site import Site
from fixtures.scenario.week import WEEK, Week
from fixtures.topologies import find_topology
from tests.patience import PATIENT


async def test_every_report_once_and_at_its_time(tmp_path: Path) -> None:
    async with Site(find_topology("four-computers"), **PATIENT) as site:
        week = Week(site, tmp_path)
        assert await week.run() == []
        assert site.clock.time() == week.began + WEEK
        assert not site.broken
    # Four clients: weekly; twice a day to every third day; daily, from 3 h 7 min on; a day and a half off.
    assert week.counts() == {
        ReportKind.HARDWARE_INVENTORY: 2 + 15 + 7 + 7,
        ReportKind.SOFTWARE_INVENTORY: 2 + 4 + 7 + 7,
        ReportKind.DISCOVERY: 2 + 8 + 21 + 7,
        ReportKind.METERING: 2 + 3 + 7 + 4,
        ReportKind.STATUS: 2 * (7 + 7 + 7 + 6),  # a program begins and ends; two missed runs are one
    }
