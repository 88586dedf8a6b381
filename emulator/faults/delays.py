"""Slowness: the reply is the right one, and comes late, thinly, or never ends.

All spans here are real seconds: they happen on sockets, and who waits for a socket waits in real time.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from emulator.faults.exchange import Piece
from emulator.faults.wire_fault import AtWork, Direction, Send, WireFault

SLICES = 20  # a second, in which a thin link delivers


class _Directed(WireFault):
    direction: Literal["requests", "replies", "both"] = Field(
        default="replies", description="what is slowed: requests, replies, or both"
    )

    def acts_on(self, direction: Direction) -> bool:
        return self.direction in (direction, "both")


class Latency(_Directed):
    """Every piece arrives so many seconds later, more or less by the jitter; pieces stay in order."""

    kind = "latency"
    seconds: float = Field(gt=0, le=3600, description="real seconds")
    jitter: float = Field(default=0.0, ge=0, description="real seconds more or less, by chance")

    @model_validator(mode="after")
    def _not_into_the_past(self) -> Latency:
        if self.jitter > self.seconds:
            raise ValueError(f"jitter: at most {self.seconds:g}, the seconds it goes around")
        return self

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        late = self.seconds + at.random.uniform(-self.jitter, self.jitter)
        await at.pause_until(piece.arrived + late)
        await send(piece)


class Bandwidth(_Directed):
    """Only so many bytes pass in a second."""

    kind = "bandwidth"
    bytes_per_second: int = Field(ge=1, description="of one exchange, in each direction")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        size = max(1, self.bytes_per_second // SLICES)
        for part in piece.sliced(size):
            await at.pause(len(part.data) / self.bytes_per_second)
            await send(part)


class Hang(WireFault):
    """The reply stops after so many bytes of its body and goes on when the fault is lifted."""

    kind = "hang"
    after_bytes: int = Field(default=0, ge=0, description="bytes of the body that still arrive")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        left = self.after_bytes - at.passed
        if piece.part in ("head", "frame") or (piece.part == "body" and len(piece.data) <= left):
            await send(piece)
            return
        first, rest = piece.split(max(left, 0))
        if first.data:
            await send(first)
        await at.silence()
        await send(rest)


class SlowClose(WireFault):
    """Everything arrives in time; only that the other side has closed is learnt so many seconds later."""

    kind = "slow_close"
    seconds: float = Field(gt=0, le=3600, description="real seconds")

    def acts_on(self, direction: Direction) -> bool:
        return True

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        if piece.part == "end":
            await at.pause_until(piece.arrived + self.seconds)
        await send(piece)
