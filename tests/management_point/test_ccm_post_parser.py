"""The parser for ``CCM_POST``: however the bytes are cut, what comes out is what was sent."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserPy
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.management_point.ccm_post_parser import CcmPostParser

HEAD = "Host: mp1:8080\r\nContent-Type: multipart/mixed; boundary=x\r\n"


class Protocol:
    """The connection, as a parser sees it."""

    _reading_paused = False
    parser: Any = None

    def pause_reading(self) -> None:
        self._reading_paused = True
        self.parser.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._reading_paused = False


def parser_of(kind: Any, loop: asyncio.AbstractEventLoop, **settings: Any) -> Any:
    protocol = Protocol()
    protocol.parser = kind(protocol, loop, 2**16, auto_decompress=False, **settings)
    return protocol.parser


def request(verb: str, path: str, body: bytes = b"", extra: str = "", length: bool = True) -> bytes:
    said = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"{verb} {path} HTTP/1.1\r\n{HEAD}{extra}{said}\r\n".encode() + body


def chunked(verb: str, path: str, *parts: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
    return request(verb, path, body, "Transfer-Encoding: chunked\r\n", length=False)


Seen = list[tuple[str, str, bytes]]


def read(parser: Any, pieces: list[bytes]) -> Seen:
    """Feed pieces; every request with its body, in order."""
    got: list[tuple[Any, Any]] = []
    for piece in pieces:
        got += parser.feed_data(piece)[0]
    return [(m.method, m.path, b"".join(chunk for chunk in body_of(p))) for m, p in got]


def body_of(payload: Any) -> list[bytes]:
    assert payload.is_eof(), "a body is not complete"
    return list(getattr(payload, "_buffer", ()))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


BODIES = [
    b"",
    b"CCM_POST /ccm_system/request HTTP/1.1\r\n\r\n",  # a body that looks like a request
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\xff\xfe<\0M\0s\0g\0>\0" * 40,
    b"0\r\n\r\n",
]
STREAMS = {
    "ccm_post": [request("CCM_POST", "/ccm_system/request", BODIES[3])],
    "bits_post": [request("BITS_POST", "/CCM_Incoming/{1}", BODIES[1])],
    "mixed verbs": [
        request("CCM_POST", "/ccm_system/request", BODIES[1]),
        request("GET", "/SMS_MP/.sms_pol?{x}.1_00", length=False),
        request("CCM_POST", "/ccm_system/request", BODIES[2]),
        request("PROPFIND", "/x", BODIES[4]),
        request("HEAD", "/y", length=False),
        request("POST", "/ccm_system/request", BODIES[3]),
    ],
    "chunked": [
        request("CCM_POST", "/a", b"12345"),
        chunked("CCM_POST", "/b", b"12", b"CCM_POST / HTTP/1.1\r\n\r\n", b"3"),
        request("CCM_POST", "/c", b"678"),
    ],
    "absolute form": [request("CCM_POST", "http://mp1/ccm_system/request", b"abc")],
    "any case": [b"CCM_POST /q HTTP/1.1\r\nhOST:mp1\r\ncONTENT-lENGTH:   3  \r\n\r\nabc"] * 2,
    "a verb of one's own": [request("MY_VERB", "/z", b"abc"), request("CCM_POST", "/a", b"d")],
    "blank lines before": [b"\r\n" + request("CCM_POST", "/z", b"abc")],
    "length said of a header": [request("CCM_POST", "/z", b"abc", "X-Note: content-length: 9\r\n")],
    "http 1.0": [b"CCM_POST /z HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"],
    "expect": [request("CCM_POST", "/z", b"abc", "Expect: 100-continue\r\n")],
}


@pytest.fixture
def loop() -> Any:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def expected(stream: list[bytes], loop: asyncio.AbstractEventLoop) -> Seen:
    """What aiohttp's own Python parser makes of it, request by request."""
    parser = parser_of(HttpRequestParserPy, loop)
    return read(parser, stream)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.proves("framing.verbs", "framing.chunked", "framing.packets")
def test_requests_arrive_whole_byte_by_byte_in_one_piece_and_one_by_one(name: str, loop: Any) -> None:
    stream = STREAMS[name]
    whole = b"".join(stream)
    wanted = expected(stream, loop)
    assert len(wanted) == len(stream)
    for pieces in (stream, [whole], [whole[i : i + 1] for i in range(len(whole))]):
        assert read(parser_of(CcmPostParser, loop), pieces) == wanted


@pytest.mark.parametrize("name", STREAMS)
def test_requests_arrive_whole_cut_once_at_every_place(name: str, loop: Any) -> None:
    whole = b"".join(STREAMS[name])
    wanted = expected(STREAMS[name], loop)
    for place in range(1, len(whole)):
        assert read(parser_of(CcmPostParser, loop), [whole[:place], whole[place:]]) == wanted, place


REQUESTS = st.builds(
    lambda verb, body, form: form(verb, body),
    st.sampled_from(["CCM_POST", "BITS_POST", "GET", "POST", "PROPFIND", "X_Y"]),
    st.binary(max_size=40) | st.sampled_from(BODIES),
    st.sampled_from([lambda v, b: request(v, "/p", b), lambda v, b: chunked(v, "/p", b or b"x")]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_any_requests_cut_anywhere(requests: list[bytes], places: list[int]) -> None:
    loop = asyncio.new_event_loop()
    try:
        wanted = expected(requests, loop)
        assert read(parser_of(CcmPostParser, loop), cut(b"".join(requests), places)) == wanted
    finally:
        loop.close()


@pytest.mark.parametrize(
    "data",
    [
        b"CCM_POST /z HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"CCM_POST /z HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        b"CCM_POST /z HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
        b"CCM_POST /z HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"CCM_POST /z HTTP/x.y\r\nHost: a\r\n\r\n",
        b"CCM_POST /z HTTP/1.1\nHost: a\nContent-Length: 0\n\r\n\r\n",
    ],
    ids=[
        "two lengths",
        "signed length",
        "blank before colon",
        "two ways of length",
        "no version",
        "bare feeds",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes, loop: Any) -> None:
    with pytest.raises(HttpProcessingError):
        parser_of(CcmPostParser, loop).feed_data(data)


def test_requests_keep_their_order_when_the_queue_of_the_connection_is_full(loop: Any) -> None:
    parser = parser_of(CcmPostParser, loop, max_msg_queue_size=2)
    pieces = [request("CCM_POST", f"/{i}", b"body %d" % i) for i in range(6)]
    got = []
    for piece in [*pieces[:4], pieces[4] + pieces[5]]:
        got += parser.feed_data(piece)[0]
    for _ in range(20):
        parser.message_consumed()
        got += parser.feed_data(b"")[0]
    assert [(m.path, m.method) for m, _ in got] == [(f"/{i}", "CCM_POST") for i in range(6)]
    assert [b"".join(body_of(p)) for _, p in got] == [b"body %d" % i for i in range(6)]


async def test_a_large_body_that_nobody_reads_stops_the_sender_and_goes_on_when_read() -> None:
    loop = asyncio.get_running_loop()
    parser = parser_of(CcmPostParser, loop)
    body = bytes(range(256)) * 4096
    data = request("CCM_POST", "/large", body)
    messages = parser.feed_data(data[:1000])[0]
    payload = messages[0][1]
    for start in range(1000, len(data), 65536):
        parser.feed_data(data[start : start + 65536])
    following = parser.feed_data(request("CCM_POST", "/next", b"abc"))[0]
    read = b""
    while not payload.at_eof():
        read += payload.read_nowait(-1) if payload._buffer else b""
        following = [*following, *parser.feed_data(b"")[0]]
    assert read == body
    assert [m.path for m, _ in following] == ["/next"]
