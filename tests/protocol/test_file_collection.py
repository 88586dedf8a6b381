from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.file_collection import CollectedFile, collected_files, with_contents
from emulator.protocol.message_header import Attachment
from emulator.protocol.report import Instance, Report, ReportHeader


def report(header: ReportHeader, *names: str, **told: str) -> str:
    instances = tuple(
        Instance("CollectedFile", "\\\\.\\root\\cimv2", "New", {"Name": name, "Path": "C:\\", **told})
        for name in names
    )
    total = Instance("CollectedFileSum", "\\\\.\\root\\cimv2", "New", {"Name": "*.ini"})
    return Report(replace(header, report_content="FILECOLL"), (*instances, total)).to_xml()


def files(text: str) -> tuple[CollectedFile, ...]:
    return collected_files(Report.from_xml(text))


@pytest.mark.proves("reports.file_collection")
def test_names_alone(header: ReportHeader) -> None:
    text = report(header, "a.ini", Size="12", LastWriteDate="20090601080000.000000+000")
    assert files(text) == (CollectedFile("a.ini", "C:\\", 12, "20090601080000.000000+000"),)
    assert with_contents(text, ()) == text


@pytest.mark.proves("reports.file_collection")
@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=25, deadline=None, database=None)
def test_files_travel_with_their_report(header: ReportHeader, one: bytes, two: bytes) -> None:
    text = report(header, "a.ini", "b.ini")
    by_name = (Attachment("B.INI", two), Attachment("a.ini", one))
    by_order = (Attachment("{1}", one), Attachment("{2}", two))
    for attached in (by_name, by_order):
        assert [f.content for f in files(with_contents(text, attached))] == [one, two]
    assert [f.content for f in files(with_contents(text, (Attachment("x", one),)))] == [None, None]


@pytest.mark.parametrize("told", [{"Size": "x"}, {"Size": "-1"}, {"FileContent": "!"}, {"Name": " "}])
def test_malformed(header: ReportHeader, told: dict[str, str]) -> None:
    with pytest.raises(MalformedMessage):
        files(report(header, "a.ini", **told))
