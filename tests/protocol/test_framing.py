from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.framing import (
    BOUNDARY,
    CONTENT_TYPE,
    Framed,
    content_type_of,
    decode_multipart,
    encode_multipart,
)
from emulator.protocol.xml import decode_utf16, to_utf16

MSG = to_utf16("<Msg/>")


@pytest.mark.proves("framing.request")
def test_the_worked_example(example) -> None:
    framed = decode_multipart(example.content_type, example.request)
    assert framed.header == to_utf16(example.request_header)
    assert len(framed.header) == 5208
    assert framed.payload == example.compressed_payload
    assert example.request.index(framed.header) == 74
    assert example.request.index(framed.payload) == 5356


@pytest.mark.proves("framing.reply")
def test_what_public_clients_insist_on() -> None:
    assert CONTENT_TYPE == 'multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"'
    body = encode_multipart("<Msg/>", b"payload")
    parts = body.split(b"--" + BOUNDARY.encode())
    assert parts[0] == b""
    assert parts[1] == b"\r\nContent-Type: text/plain; charset=UTF-16\r\n\r\n" + MSG + b"\r\n"
    assert parts[2] == b"\r\nContent-Type: application/octet-stream\r\n\r\npayload\r\n"
    assert parts[3] == b"--\r\n"


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30),
    st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"--", b"\r\n--", b"\0\0\r\n"]),
)
@settings(max_examples=40, deadline=None, database=None)
def test_round_trip(header: str, payload: bytes) -> None:
    framed = decode_multipart(CONTENT_TYPE, encode_multipart(header, payload))
    assert framed == Framed(to_utf16(header), payload)
    assert decode_utf16(framed.header) == header


@pytest.mark.proves("framing.boundaries", "framing.part_headers", "framing.preamble_and_epilogue")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        # PXE: unquoted boundary, parts named as form data, the second without a content type
        (
            "multipart/mixed; boundary=0123abc",
            b'--0123abc\r\nContent-Disposition: form-data; name="Msg"\r\nContent-Type: text/plain\r\n\r\n'
            + MSG
            + b'\r\n--0123abc\r\nContent-Disposition: form-data; name="RequestAssignments"\r\n\r\np\r\n'
            b"--0123abc--\r\n",
        ),
        # SharpSCCM: a boundary that begins with dashes itself
        (
            "multipart/mixed; boundary=------------8dc",
            b"--------------8dc\r\nContent-Type: text/plain\r\n\r\n"
            + MSG
            + b"\r\n--------------8dc\r\nContent-Type: application/octet-stream\r\n\r\np\r\n"
            b"--------------8dc--",
        ),
        # Metasploit: one more header, no line end at the end; other letter cases
        (
            'Multipart/Mixed; charset=x; BOUNDARY="a b"',
            b"--a b\r\nCONTENT-TYPE: text/plain\r\n\r\n"
            + MSG
            + b"\r\n--a b\r\ncontent-type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\np\r\n--a b--",
        ),
        # no headers at all; a preamble and an epilogue
        (
            "multipart/mixed; boundary=x",
            b"read by nobody\r\n--x\r\n\r\n" + MSG + b"\r\n--x\r\n\r\np\r\n--x--\r\nnor this",
        ),
        # a short boundary with which other lines begin too
        ("multipart/mixed; boundary=x", b"--x\r\n\r\n" + MSG + b"\r\n--x\r\n\r\np\r\n--x--"),
        # spaces after the delimiter
        ("multipart/mixed; boundary=x", b"--x  \r\n\r\n" + MSG + b"\r\n--x \r\n\r\np\r\n--x--"),
    ],
)
def test_tolerated(content_type: str, body: bytes) -> None:
    assert decode_multipart(content_type, body) == Framed(MSG, b"p")


GOOD = encode_multipart("<Msg/>", b"payload")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", GOOD),
        ("text/xml", GOOD),
        ("multipart/mixed", GOOD),
        ("multipart/mixed; boundary=", GOOD),
        ('multipart/mixed; boundary=""', GOOD),
        ("multipart/mixed; boundary=other", GOOD),
        ("multipart/mixed; boundary=\udcff", GOOD),
        (CONTENT_TYPE, b""),
        (CONTENT_TYPE, b"--" + BOUNDARY.encode() + b"--"),
        (CONTENT_TYPE, GOOD.replace(b"\r\n", b"\n")),
        (CONTENT_TYPE, GOOD.replace(b"octet-stream\r\n\r\n", b"octet-stream\r\n")),
    ],
)
def test_malformed(content_type: str, body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_multipart(content_type, body)


@pytest.mark.proves("framing.malformed")
def test_one_part_and_three_parts() -> None:
    part = b"--x\r\n\r\np\r\n"
    for parts in (1, 3):
        with pytest.raises(MalformedMessage):
            decode_multipart("multipart/mixed; boundary=x", part * parts + b"--x--")


@pytest.mark.proves("framing.cut_short")
def test_cut_anywhere() -> None:
    # Only the very last line end may be missing.
    for length in range(len(GOOD) - 2):
        with pytest.raises(MalformedMessage):
            decode_multipart(CONTENT_TYPE, GOOD[:length])


def test_content_that_would_break_the_frame() -> None:
    with pytest.raises(MalformedMessage):
        encode_multipart("<Msg/>", b"\r\n--" + BOUNDARY.encode() + b"--")
    with pytest.raises(MalformedMessage):
        encode_multipart("<Msg>\ud800</Msg>", b"")


@pytest.mark.proves("framing.boundaries")
def test_a_payload_in_which_lines_begin_like_the_boundary() -> None:
    body = b"--x\r\n\r\n" + MSG + b"\r\n--x\r\n\r\none\r\n--xy\r\ntwo\r\n--x--\r\n--x\r\n"
    assert decode_multipart("multipart/mixed; boundary=x", body) == Framed(MSG, b"one\r\n--xy\r\ntwo")


@pytest.mark.proves("bits.message")
def test_the_content_type_of_an_upload() -> None:
    assert content_type_of(GOOD) == CONTENT_TYPE
    assert decode_multipart(content_type_of(GOOD), GOOD).payload == b"payload"
    for body in (b"", b"<Msg/>", b"--\r\n", b'--"\r\n', b"--" + b"x" * 300 + b"\r\n"):
        with pytest.raises(MalformedMessage):
            content_type_of(body)
