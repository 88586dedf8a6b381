"""Broken connections and broken bytes: what arrives is not all, or not what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from emulator.faults.exchange import Piece
from emulator.faults.wire_fault import AtWork, BrokenOff, Direction, Send, WireFault

if TYPE_CHECKING:
    from emulator.faults.connection import Connection


class Reset(WireFault):
    """The connection is reset (RST): before the request arrives, or within the reply, its effect done.

    A body that is no longer than ``after_bytes`` (above 0) passes whole, and is no hit.
    """

    kind = "reset"
    at: Literal["request", "reply"] = Field(
        default="request", description="whether the target never has the request, or has done its work"
    )
    after_bytes: int = Field(default=0, ge=0, description="bytes of that body that still arrive")
    seconds: float = Field(default=0.0, ge=0, le=3600, description="real seconds of silence before it")

    @model_validator(mode="after")
    def _at_once_or_later(self) -> Reset:
        if self.seconds and self.after_bytes:
            raise ValueError("seconds: does not go with after_bytes")
        return self

    def acts_on(self, direction: Direction) -> bool:
        return direction == ("requests" if self.at == "request" else "replies")

    def acts_late(self) -> bool:
        return super().acts_late() or not (self.after_bytes or self.seconds)

    def begun(self, at: AtWork, connection: Connection) -> None:
        if not (self.after_bytes or self.seconds):
            connection.reset()

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        if not self.after_bytes:
            await at.pause(self.seconds)
            if not at.lifted:
                raise BrokenOff(reset=True)
            await send(piece)
            return
        await _up_to(self.after_bytes, at, piece, send, reset=True)


class Truncated(WireFault):
    """The reply's body ends after so many bytes, whatever length was announced; the connection closes.

    A body that is no longer than that passes whole, and is no hit.
    """

    kind = "truncated"
    after_bytes: int = Field(default=0, ge=0, description="bytes of the body that still arrive")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        await _up_to(self.after_bytes, at, piece, send, reset=False)


class ByteLimit(WireFault):
    """After so many bytes of the reply, its head counted too, the connection is closed."""

    kind = "byte_limit"
    bytes: int = Field(ge=1, description="bytes that still arrive")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        left = self.bytes - at.passed_in_all
        if piece.part == "end" or len(piece.data) < left:
            at.settle(piece)
            await send(piece)
            return
        await send(piece.split(left)[0])
        raise BrokenOff(reset=False)


# No reply begins with the first byte, so that nobody takes it for one by chance. To PostgreSQL's clients the
# second one says that a long message follows: over one of negative length asyncpg turns in circles for ever,
# and with it the role.
_NOTHING = b"\xff\x7f"


class Garbage(WireFault):
    """In the place of the reply come bytes that mean nothing; or in that of its body, in the same number."""

    kind = "garbage"
    part: Literal["reply", "body"] = Field(default="reply", description="what is garbage")
    bytes: int = Field(default=256, ge=1, le=1 << 20, description="how many come in a reply's place")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        if self.part == "body" and not piece.exchange.opaque:
            data = at.random.randbytes(len(piece.data)) if piece.part == "body" else piece.data
            at.changed |= data != piece.data
            at.settle(piece)
            await send(piece.with_data(data))
            return
        await send(piece.with_data((_NOTHING + at.random.randbytes(self.bytes))[: self.bytes]))
        raise BrokenOff(reset=False)


async def _up_to(limit: int, at: AtWork, piece: Piece, send: Send, *, reset: bool) -> None:
    """Pass on so many bytes of the body, and end the connection at the first one behind them."""
    left = limit - at.passed
    if piece.part == "body" and len(piece.data) > left:
        if left:
            await send(piece.split(left)[0])
        raise BrokenOff(reset=reset)
    at.settle(piece)
    await send(piece)
