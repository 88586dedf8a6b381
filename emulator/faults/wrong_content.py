"""Replies that arrive whole and are wrong: other bytes than were announced, or another hash."""

from __future__ import annotations

import re
import zlib
from typing import Literal

from pydantic import Field

from emulator.errors import ConfigMgrError
from emulator.faults.exchange import Exchange, Piece
from emulator.faults.http_reading import headers_of
from emulator.faults.wire_fault import AtWork, Direction, Send, WireFault
from emulator.protocol.framing import decode_multipart, encode_multipart
from emulator.protocol.message import MAX_REPLY, inflate
from emulator.protocol.xml import decode_utf16, encode_utf16

_POLICY_HASH = re.compile(r'(PolicyHash(?:Ex)?="(?:SHA1|SHA256):[0-9A-F]*)([0-9A-F])(?=")', re.IGNORECASE)
_ETAG = re.compile(rb"(getetag>[^<]*?)([0-9A-Fa-f])(?=\W*</)")
_SUCCESS = re.compile(rb"HTTP/1\.\d 2")


class FlippedBytes(WireFault):
    """Bytes of a policy's body, or of a package's content, are not what was sent; their number is right."""

    kind = "flipped_bytes"
    http_only = True
    touches = (".sms_pol", "SMS_DP_SMSPKG$")
    offset: int = Field(default=0, ge=0, description="of the first one; in a shorter body, counted around")
    count: int = Field(default=1, ge=1, description="how many, in a row")

    def applies(self, exchange: Exchange) -> bool:
        request = exchange.request
        return request is not None and request.verb == "GET" and exchange.endpoint in self.touches

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        if piece.part == "head":
            at.head += piece.data
        if piece.part == "body" and _SUCCESS.match(at.head):  # an error's page is no content
            first = self._first(at) - at.passed  # where in this piece
            data = bytearray(piece.data)
            for place in range(max(first, 0), min(first + self.count, len(data))):
                data[place] ^= 0xFF
                at.changed = True
            piece = piece.with_data(bytes(data))
        at.settle(piece)
        await send(piece)

    def _first(self, at: AtWork) -> int:
        headers = headers_of(at.head.decode("latin-1").split("\r\n"))
        length = headers.get("content-length", "")
        return self.offset % int(length) if length.isdigit() and int(length) else self.offset


class WrongHash(WireFault):
    """The hashes that are announced are others than those of what can be read.

    Of policies: the hashes in the assignments, which the bodies then do not have. Of content: the entity
    tags in a distribution point's file list, so that no interrupted download can be gone on with.
    """

    kind = "wrong_hash"
    http_only = True
    touches = ("MP_PolicyManager", "SMS_DP_SMSPKG$")

    def applies(self, exchange: Exchange) -> bool:
        return self._announces(exchange) is not None

    @staticmethod
    def _announces(exchange: Exchange) -> Literal["policies", "files"] | None:
        if exchange.endpoint.casefold() == "mp_policymanager":
            return "policies"
        if exchange.request and exchange.request.verb == "PROPFIND" and exchange.endpoint == "SMS_DP_SMSPKG$":
            return "files"
        return None

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        if piece.part == "head" and not at.kept and piece.data.startswith(b"HTTP/1.1 1"):
            await send(piece)  # "100 Continue", which somebody waits for
            return
        at.kept.append(piece)
        if not piece.last:
            return
        kept, at.kept = at.kept, []
        head, body = _part(kept, "head"), _part(kept, "body")
        try:
            changed = self._changed(at.exchange, head, body)
        except ConfigMgrError:  # an error is told, and announces nothing
            changed = body
        if changed == body:
            for each in kept:
                at.settle(piece)
                await send(each)
            return
        at.changed = True
        await send(Piece(at.exchange, "head", _with_length(head, len(changed)), piece.arrived))
        await send(Piece(at.exchange, "body", changed, piece.arrived, last=True))
        if piece.part == "end":
            await send(piece)

    def _changed(self, exchange: Exchange, head: bytes, body: bytes) -> bytes:
        if self._announces(exchange) == "files":
            return _ETAG.sub(lambda found: found[1] + _other(found[2].decode()).encode(), body)
        content_type = headers_of(head.decode("latin-1").split("\r\n")).get("content-type", "")
        framed = decode_multipart(content_type, body)
        header = decode_utf16(framed.header)
        packed = "zlib-compress" in header.lower()
        plain = inflate(framed.payload, MAX_REPLY) if packed else framed.payload
        text = decode_utf16(plain)
        changed = _POLICY_HASH.sub(lambda found: found[1] + _other(found[2]), text)
        if changed == text:
            return body
        payload = encode_utf16(changed) + b"\0\0"
        return encode_multipart(header, zlib.compress(payload) if packed else payload)


def _other(digit: str) -> str:
    """Another hexadecimal digit."""
    return "1" if digit == "0" else "0"


def _part(pieces: list[Piece], part: str) -> bytes:
    return b"".join(piece.data for piece in pieces if piece.part == part)


def _with_length(head: bytes, length: int) -> bytes:
    """The head of a reply whose body is whole and so long."""
    lines = head.split(b"\r\n")
    kept = [x for x in lines if not x.lower().startswith((b"content-length:", b"transfer-encoding:"))]
    return b"\r\n".join((kept[0], b"Content-Length: %d" % length, *kept[1:]))
