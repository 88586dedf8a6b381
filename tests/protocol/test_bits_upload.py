from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.bits_upload import (
    PROTOCOL,
    Fragment,
    PacketType,
    acknowledgement,
    error_headers,
    packet_type_of,
    speaks,
)


@pytest.mark.proves("bits.fragment")
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**40))
@settings(max_examples=30, deadline=None, database=None)
def test_ranges(first: int, more: int, rest: int) -> None:
    fragment = Fragment(first, first + more, first + more + rest)
    header = f"bytes {fragment.first}-{fragment.last}/{fragment.total}"
    assert Fragment.from_header(header) == Fragment.from_header(f" {header.upper()} ") == fragment
    assert fragment.length == more + 1


@pytest.mark.parametrize(
    "value",
    ["", "bytes", "bytes 0-1", "bytes 0-1/*", "bytes 2-1/9", "bytes 0-9/9", "items 0-1/9", "bytes -1/9",
     "bytes 0-1/" + "9" * 30, "bytes 0-1/9, 3-4/9"],
)  # fmt: skip
def test_no_range(value: str) -> None:
    with pytest.raises(MalformedMessage):
        Fragment.from_header(value)


def test_packet_types() -> None:
    assert packet_type_of("Create-Session") is PacketType.CREATE_SESSION
    assert packet_type_of(" ping ") is PacketType.PING
    for value in ("", "Ack", "Create Session"):
        with pytest.raises(MalformedMessage):
            packet_type_of(value)


def test_headers() -> None:
    assert speaks(PROTOCOL.upper())
    assert speaks(f"{{00000000-0000-0000-0000-000000000000}} {PROTOCOL}")
    assert not speaks("")
    assert acknowledgement(BITS_Protocol="x") == {"BITS-Packet-Type": "Ack", "BITS-Protocol": "x"}
    assert error_headers("0x1", "0x5") == {
        "BITS-Packet-Type": "Ack",
        "BITS-Error-Code": "0x1",
        "BITS-Error": "0x1",
        "BITS-Error-Context": "0x5",
    }
