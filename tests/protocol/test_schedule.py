from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.schedule import ScheduleToken, latest_due, next_time, parse_schedule

MONDAY = datetime(2026, 6, 1, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ONCE = ScheduleToken(MONDAY)
DAILY = ScheduleToken(MONDAY, DAY, 2 * HOUR)
TOKENS = st.builds(
    ScheduleToken,
    st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(second=0, microsecond=0)
    ),
    st.none() | st.integers(1, 2**24 - 1).map(lambda n: n * MINUTE),
    st.integers(0, 255).map(lambda n: n * HOUR),
)


def test_layout() -> None:
    minutes = int(MONDAY.timestamp()) // 60
    assert ONCE.to_text() == f"{minutes:08X}00000000"
    assert DAILY.to_text() == f"{minutes:08X}020005A0"


@given(st.lists(TOKENS, max_size=4))
@settings(max_examples=40, deadline=None, database=None)
def test_round_trip(tokens: list[ScheduleToken]) -> None:
    text = "".join(token.to_text() for token in tokens)
    assert len(text) == 16 * len(tokens)
    assert parse_schedule(text) == parse_schedule(text.lower()) == tuple(tokens)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0" * 15,
        "0" * 17,
        "x" * 16,
        "-" + "0" * 15,
        "+000000100000000",
        "0x00000000000000",
        " " * 16,
        "F" * 16,
        "\ud800" * 16,
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_schedule(text)
    with pytest.raises(MalformedMessage):
        ScheduleToken.from_text(text)


@pytest.mark.parametrize(
    "token",
    [
        ScheduleToken(datetime(1969, 12, 31, tzinfo=UTC)),
        ScheduleToken(MONDAY, -DAY),
        ScheduleToken(MONDAY, timedelta(seconds=30)),  # would be written as 'once'
        ScheduleToken(MONDAY, 2**24 * MINUTE),
        ScheduleToken(MONDAY, None, 256 * HOUR),
        ScheduleToken(MONDAY, None, -HOUR),
    ],
)
def test_what_does_not_fit(token: ScheduleToken) -> None:
    with pytest.raises(MalformedMessage):
        token.to_text()


@pytest.mark.parametrize(
    ("tokens", "now", "following", "due"),
    [
        ((), MONDAY, None, None),
        ((ONCE,), MONDAY - MINUTE, MONDAY, None),
        ((ONCE,), MONDAY, None, MONDAY),
        ((ONCE,), MONDAY + DAY, None, MONDAY),
        ((DAILY,), MONDAY - MINUTE, MONDAY, None),
        ((DAILY,), MONDAY, MONDAY + DAY, MONDAY),
        ((DAILY,), MONDAY + DAY - MINUTE, MONDAY + DAY, MONDAY),
        ((DAILY,), MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + DAY),
        ((DAILY, ScheduleToken(MONDAY + HOUR)), MONDAY + MINUTE, MONDAY + HOUR, MONDAY),
        ((DAILY, ScheduleToken(MONDAY + HOUR)), MONDAY + 2 * HOUR, MONDAY + DAY, MONDAY + HOUR),
    ],
)
def test_times(
    tokens: tuple[ScheduleToken, ...], now: datetime, following: datetime | None, due: datetime | None
) -> None:
    assert next_time(tokens, now) == following
    assert latest_due(tokens, now) == due


@given(st.lists(TOKENS, min_size=1, max_size=3), st.integers(0, 10**7))
@settings(max_examples=40, deadline=None, database=None)
def test_now_lies_between_the_two(tokens: list[ScheduleToken], minutes: int) -> None:
    now = tokens[0].start + minutes * MINUTE
    due, following = latest_due(tokens, now), next_time(tokens, now)
    assert due is not None
    assert due <= now
    assert following is None or following > now
