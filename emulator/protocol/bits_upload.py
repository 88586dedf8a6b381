"""BITS upload ([MC-BUP]): a large file in fragments, over as many connections as it takes.

Every packet is a ``BITS_POST`` whose ``BITS-Packet-Type`` header says what it is; every answer is an
``Ack``. The server says how much it has; a client that lost its way goes on from there. Errors are
told in two headers of two names, because the two published texts differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from emulator.errors import MalformedMessage

VERB = "BITS_POST"
PROTOCOL = "{7df0354d-249b-430f-820d-3d2a9bef4931}"
PACKET_TYPE, SESSION_ID = "BITS-Packet-Type", "BITS-Session-Id"
RECEIVED = "BITS-Received-Content-Range"
_LARGEST = 2**63 - 1

_RANGE = re.compile(r"bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19})", re.IGNORECASE)


class PacketType(StrEnum):
    """What a packet is."""

    PING = "ping"
    CREATE_SESSION = "create-session"
    FRAGMENT = "fragment"
    CLOSE_SESSION = "close-session"
    CANCEL_SESSION = "cancel-session"


class ErrorCode:
    """HRESULTs as BITS tells them."""

    SESSION_NOT_FOUND = "0x8020001F"
    TOO_LARGE = "0x80200020"
    INVALID_ARGUMENT = "0x80070057"
    ACCESS_DENIED = "0x80070005"
    DISK_FULL = "0x80070070"
    NO_RESOURCES = "0x800705AA"
    FAILED = "0x80004005"


class ErrorContext:
    """Where an error happened."""

    REMOTE_FILE = "0x5"
    REMOTE_APPLICATION = "0x7"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Which bytes of how many a fragment holds; ``last`` is its last byte."""

    first: int
    last: int
    total: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @classmethod
    def from_header(cls, value: str) -> Self:
        """Read ``Content-Range: bytes a-b/total``.

        Raises:
            MalformedMessage: it is none, or no such bytes exist.
        """
        found = _RANGE.fullmatch(value.strip())
        if not found:
            raise MalformedMessage(f"Content-Range {value[:60]!r}; expected bytes <first>-<last>/<total>")
        first, last, total = map(int, found.groups())
        if not first <= last < total <= _LARGEST:
            raise MalformedMessage(f"Content-Range {value[:60]!r} names bytes that do not exist")
        return cls(first, last, total)


def packet_type_of(value: str) -> PacketType:
    """What a packet says it is.

    Raises:
        MalformedMessage: no packet of this protocol.
    """
    try:
        return PacketType(value.strip().lower())
    except ValueError as exc:
        raise MalformedMessage(f"{PACKET_TYPE} {value[:40]!r} is not known") from exc


def speaks(supported_protocols: str) -> bool:
    """Whether one of the protocols a client offers is ours."""
    return PROTOCOL in supported_protocols.lower().split()


def acknowledgement(**headers: str) -> dict[str, str]:
    """The headers of an answer; underscores stand for hyphens."""
    return {PACKET_TYPE: "Ack", **{name.replace("_", "-"): value for name, value in headers.items()}}


def error_headers(code: str, context: str) -> Mapping[str, str]:
    """The headers of a refusal, under the names of both texts."""
    return acknowledgement(BITS_Error_Code=code, BITS_Error=code, BITS_Error_Context=context)
