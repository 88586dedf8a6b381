from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.status import StatusMessage

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
MESSAGE = StatusMessage(
    "SoftDistProgramStartedEvent",
    datetime(2026, 6, 1, 8, tzinfo=UTC),
    {"AdvertisementId": "S0120001", "PackageName": "S0100001"},
    10005,
)


@given(
    st.builds(
        StatusMessage,
        TEXT.map(str.strip).filter(bool),
        MOMENT,
        st.dictionaries(TEXT, TEXT, max_size=4),
        st.integers(-(2**31), 2**31 - 1),
    )
)
@settings(max_examples=25, deadline=None, database=None)
def test_round_trip(message: StatusMessage) -> None:
    assert StatusMessage.from_xml(message.to_xml()) == message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Status", "State"),
        ("SoftDistProgramStartedEvent", " "),
        ("Type>", "Kind>"),
        (">10005<", ">x<"),
        (">10005<", ">99999999999<"),
        (">2026", ">x026"),
        ("S0120001", "&x;"),
        ("S0120001", "\0"),
        ("S0120001", "\udcff"),
    ],
)
def test_malformed(old: str, new: str) -> None:
    text = MESSAGE.to_xml()
    assert old in text
    with pytest.raises(MalformedMessage):
        StatusMessage.from_xml(text.replace(old, new))


def test_damaged(damaged) -> None:
    for data in damaged(MESSAGE.to_xml().encode(), 200):
        with contextlib.suppress(MalformedMessage):
            StatusMessage.from_xml(data.decode("utf-8", "surrogateescape"))


def test_what_cannot_be_written() -> None:
    for message in (
        StatusMessage("\0", MESSAGE.time),
        StatusMessage("x", MESSAGE.time, {"\0": ""}),
        StatusMessage("x", MESSAGE.time, {"a": "\ud800"}),
    ):
        with pytest.raises(MalformedMessage):
            message.to_xml()


def test_the_documented_form_tells_no_time_and_gets_the_one_of_its_arrival() -> None:
    received = datetime(2026, 6, 1, 8, tzinfo=UTC)
    text = '<Status SchemaVersion="1.0"><Type>SoftDistProgramStartedEvent</Type></Status>'
    assert StatusMessage.from_xml(text, received).time == received
