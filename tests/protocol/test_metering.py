from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.metering import STILL_RUNNING, TERMINAL_SESSION, MeteringReport, Usage
from emulator.protocol.report import ReportHeader

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
USAGE = Usage(
    "1",
    "LAB\\anna",
    "Editor",
    "edit.exe",
    datetime(2026, 6, 1, 8, tzinfo=UTC),
    datetime(2026, 6, 1, 9, tzinfo=UTC),
    STILL_RUNNING | TERMINAL_SESSION,
)


@given(
    st.lists(
        st.builds(Usage, TEXT.filter(bool), TEXT, TEXT, TEXT, MOMENT, MOMENT, st.integers(0, 15)), max_size=3
    ).map(tuple)
)
@settings(max_examples=25, deadline=None, database=None)
def test_round_trip(header: ReportHeader, usages: tuple[Usage, ...]) -> None:
    report = MeteringReport(header, usages)
    assert MeteringReport.from_xml(report.to_xml()) == report


def test_several_uses_of_one_program(header: ReportHeader) -> None:
    text = MeteringReport(header, (USAGE,)).to_xml()
    start = text.index("<HistoricalMeterData")
    one = text[start : text.index("/>", start) + 2]
    report = MeteringReport.from_xml(
        text.replace(one, one + one.replace('MeterDataID="1"', 'MeterDataID="2"'))
    )
    assert [usage.meter_data_id for usage in report.usages] == ["1", "2"]
    assert {usage.file_name for usage in report.usages} == {"edit.exe"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<Report>", "<Rapport>"),
        ("ReportHeader", "Header"),
        ('MeterDataID="1"', ""),
        ('MeterDataID="1"', 'MeterDataID=""'),
        ('Status="9"', 'Status="running"'),
        ('Status="9"', 'Status="99999999999"'),
        ("StartTime=", "Start="),
        ('EndTime="2026', 'EndTime="x026'),
        ("anna", "&x;"),
        ("anna", "\0"),
        ("anna", "\ud800"),
    ],
)
def test_malformed(header: ReportHeader, old: str, new: str) -> None:
    text = MeteringReport(header, (USAGE,)).to_xml()
    assert old in text
    with pytest.raises(MalformedMessage):
        MeteringReport.from_xml(text.replace(old, new))


def test_damaged(header: ReportHeader, damaged) -> None:
    for data in damaged(MeteringReport(header, (USAGE,)).to_xml().encode(), 200):
        with contextlib.suppress(MalformedMessage):
            MeteringReport.from_xml(data.decode("utf-8", "surrogateescape"))
