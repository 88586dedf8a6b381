from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.report import ReportHeader
from emulator.protocol.state import StateMessage, StateReport

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30)
TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
INT32 = st.integers(-(2**31), 2**31 - 1)
MESSAGE = StateMessage(7, TIME, 7201, "peer", 2, "details")


@given(
    st.lists(
        st.builds(StateMessage, st.integers(0, 2**63 - 1), MOMENT, INT32, TEXT, INT32, TEXT.map(str.strip)),
        max_size=3,
    ).map(tuple)
)
@settings(max_examples=25, deadline=None, database=None)
def test_round_trip(header: ReportHeader, messages: tuple[StateMessage, ...]) -> None:
    report = StateReport(header, messages)
    assert StateReport.from_xml(report.to_xml()) == report


def test_the_documented_form(header: ReportHeader) -> None:
    # no time and no serial number of its own; a declaration; details in CDATA
    body = (
        '<StateMessage><Topic ID="x" Type="7201" IDType="0" User="" UserSID=""/>'
        '<State ID="2" Criticality="0"/>'
        '<StateDetails Type="1"><![CDATA["<a/>"]]></StateDetails><UserParameters Flags="0" Count="1">'
        "<Param>y</Param></UserParameters></StateMessage>"
    )
    text = StateReport(header).to_xml().replace("<ReportBody/>", f"<ReportBody>{body}</ReportBody>")
    report = StateReport.from_xml('<?xml version="1.0" encoding="UTF-16"?>' + text)
    assert report.messages == (StateMessage(0, header.date, 7201, "x", 2, '"<a/>"'),)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<Report>", "<Rapport>"),
        ("ReportHeader", "Header"),
        ("<Topic", "<Subject"),
        ("<State ", "<Stats "),
        ('Type="7201"', ""),
        ('Type="7201"', 'Type="seven"'),
        ('Type="7201"', 'Type="2147483648"'),
        ('SerialNumber="7"', 'SerialNumber="-7"'),
        ('SerialNumber="7"', f'SerialNumber="{2**63}"'),
        ('<State ID="2"', '<State ID="9999999999"'),
        ('MessageTime="2026', 'MessageTime="x026'),
        ("details<", "&x;<"),
        ("details<", "\0<"),
    ],
)
def test_malformed(header: ReportHeader, old: str, new: str) -> None:
    text = StateReport(header, (MESSAGE,)).to_xml()
    assert old in text
    with pytest.raises(MalformedMessage):
        StateReport.from_xml(text.replace(old, new))


def test_damaged(header: ReportHeader, damaged) -> None:
    for data in damaged(StateReport(header, (MESSAGE,)).to_xml().encode(), 200):
        with contextlib.suppress(MalformedMessage):
            StateReport.from_xml(data.decode("utf-8", "surrogateescape"))
