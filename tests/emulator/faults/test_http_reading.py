"""Reading along: every byte belongs to a request or reply, however the bytes were cut."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.faults.exchange import Exchange, Piece
from emulator.faults.http_reading import ReplyReader, RequestReader, headers_of

REQUESTS = (
    b"CCM_POST /ccm_system/request HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /SMS_MP/.sms_aut?MPLIST HTTP/1.1\r\nHost: x\r\n\r\n"
    b"\r\nPUT /SMSPKG/S0100001.1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    b"HEAD /a HTTP/1.1\r\n\r\n"
)
REPLIES = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"
)


def read(reader: RequestReader | ReplyReader, data: bytes, cuts: list[int]) -> list[Piece]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [piece for start, end in pairwise(places) if start < end for piece in reader.feed(data[start:end])]


def told(pieces: list[Piece], exchange: Exchange, part: str) -> bytes:
    return b"".join(p.data for p in pieces if p.exchange is exchange and p.part == part)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.integers(0, 1000), max_size=30), st.lists(st.integers(0, 1000), max_size=30))
def test_requests_and_replies_find_each_other(request_cuts: list[int], reply_cuts: list[int]) -> None:
    waiting: deque[Exchange] = deque()
    requests = read(RequestReader(waiting), REQUESTS, request_cuts)
    assert b"".join(piece.data for piece in requests) == REQUESTS
    asked = list(waiting)
    assert [e.request.verb for e in asked if e.request] == ["CCM_POST", "GET", "PUT", "HEAD"]
    assert all(exchange.read for exchange in asked)
    assert asked[0].request
    assert bytes(asked[0].request.body) == b"hello"
    assert told(requests, asked[2], "body") == b"abc"
    assert [p.exchange for p in requests if p.last] == asked

    replies = read(ReplyReader(waiting), REPLIES, reply_cuts)
    assert b"".join(piece.data for piece in replies) == REPLIES
    assert [told(replies, exchange, "body") for exchange in asked] == [b"abc", b"", b"0123456789", b""]
    assert [p.exchange for p in replies if p.last] == asked
    assert not waiting


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01 no http at all \r\n\r\n rest",
        b"\x16\x03\x01\x02\x00",  # TLS, which waits for an answer
        b"GET / HTTP/1.1\n\nrest",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\nrest",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nrest",
        b"x" * 70_000,
    ],
)
@pytest.mark.parametrize("cuts", [[], [1, 5, 17, 30]])
def test_what_is_no_http_passes_as_it_is(data: bytes, cuts: list[int]) -> None:
    waiting: deque[Exchange] = deque()
    pieces = read(RequestReader(waiting), data, cuts)
    assert b"".join(piece.data for piece in pieces) == data
    assert [exchange.opaque for exchange in waiting] == [True]
    assert waiting[0].decidable


def test_a_body_without_a_length_goes_on_to_the_end() -> None:
    waiting: deque[Exchange] = deque()
    RequestReader(waiting).feed(b"GET / HTTP/1.0\r\n\r\n")
    pieces = ReplyReader(waiting).feed(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert [(p.part, p.data, p.last) for p in pieces][-1] == ("body", b"abc", False)


def test_headers_are_known_without_case() -> None:
    assert headers_of(["Content-LENGTH:  7 ", "x:y:z"]) == {"content-length": "7", "x": "y:z"}
