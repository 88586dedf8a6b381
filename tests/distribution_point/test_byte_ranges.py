"""The Range header, read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.distribution_point.byte_ranges import MOST, NotSatisfiable, Span, spans_of


@pytest.mark.parametrize(
    ("header", "size", "spans"),
    [
        ("bytes=0-", 10, [(0, 10)]),
        ("bytes=3-5", 10, [(3, 6)]),
        ("bytes=3-99", 10, [(3, 10)]),
        ("bytes=-3", 10, [(7, 10)]),
        ("bytes=-30", 10, [(0, 10)]),
        ("Bytes = 3-5", 10, [(3, 6)]),
        ("bytes=1-2,4-5", 10, [(1, 3), (4, 6)]),
        ("bytes=-1, 0-0", 10, [(9, 10), (0, 1)]),
        ("bytes=1-2,20-30", 10, [(1, 3)]),
        ("bytes=,1-2,", 10, [(1, 3)]),
        ("bytes=5-3", 10, []),
        ("bytes=-", 10, []),
        ("bytes=", 10, []),
        ("bytes=1-2,x", 10, []),
        ("bytes=0-5,3-8", 10, []),
        ("bytes=0-,0-,0-", 10, []),
        ("lines=1-2", 10, []),
        ("", 10, []),
    ],
)
def test_spans_of(header: str, size: int, spans: list[tuple[int, int]]) -> None:
    assert spans_of(header, size) == tuple(Span(*span) for span in spans)


def test_who_asks_for_too_many_ranges_gets_the_whole() -> None:
    def asked(count: int) -> str:
        return "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(count))

    assert len(spans_of(asked(MOST), 1000)) == MOST
    assert spans_of(asked(MOST + 1), 1000) == ()


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-1", 0), ("bytes=10-,20-30", 10)],
)
def test_a_range_behind_the_end(header: str, size: int) -> None:
    with pytest.raises(NotSatisfiable):
        spans_of(header, size)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_span_is_the_slice_it_says(content: bytes, start: int, end: int) -> None:
    try:
        spans = spans_of(f"bytes={start}-{end}", len(content))
    except NotSatisfiable:
        assert start >= len(content)
        return
    if spans:
        assert content[spans[0].start : spans[0].end] == content[start : end + 1]
    else:
        assert end < start
