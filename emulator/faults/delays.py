"""Slowness: the reply is the right one, and comes late, thinly, or never ends.

All spans here are real seconds: they happen on sockets, and who waits for a socket waits in real time.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from emulator.faults.exchange import Piece
from emulator.faults.wire_fault import AtWork, BrokenOff, Direction, Send, WireFault

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


class Sliced(_Directed):
    """Bytes arrive in slices of so many, more or less by the variation, with a pause after each."""

    kind = "sliced"
    bytes: int = Field(ge=1, description="of a slice")
    variation: int = Field(default=0, ge=0, description="bytes more or less, by chance")
    pause: float = Field(default=0.0, ge=0, le=3600, description="real seconds after each slice")

    @model_validator(mode="after")
    def _of_something(self) -> Sliced:
        if self.variation >= self.bytes:
            raise ValueError(f"variation: below {self.bytes}, the bytes it goes around")
        return self

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        while piece.data and not at.lifted:
            first, rest = piece.split(self.bytes + at.random.randint(-self.variation, self.variation))
            if not rest.data:
                break
            at.changed = True
            await send(first)
            await at.pause(self.pause)
            piece = rest
        at.settle(piece)
        await send(piece)
        if at.changed and piece.data:  # what follows is a slice of its own
            await at.pause(self.pause)


class Hang(WireFault):
    """The reply stops after so many bytes of its body, and goes on when the fault is lifted.

    A body that is no longer than ``after_bytes`` (above 0) passes whole, and is no hit.
    """

    kind = "hang"
    part: Literal["body", "reply", "request"] = Field(
        default="body", description="what stops: the reply's body, all of the reply, or the request"
    )
    after_bytes: int = Field(default=0, ge=0, description="bytes of the body that still arrive")
    close_after: float | None = Field(
        default=None, gt=0, le=3600, description="real seconds after which the connection is closed"
    )

    @model_validator(mode="after")
    def _of_a_body(self) -> Hang:
        if self.after_bytes and self.part != "body":
            raise ValueError("after_bytes: goes with part = body")
        return self

    def acts_on(self, direction: Direction) -> bool:
        return direction == ("requests" if self.part == "request" else "replies")

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        left = self.after_bytes - at.passed
        stops = len(piece.data) > left if piece.part == "body" else self.part != "body"
        if not stops or piece.part == "end":
            at.settle(piece)
            await send(piece)
            return
        at.changed = True
        first, rest = piece.split(left)
        if first.data:
            await send(first)
        if self.close_after is None:
            await at.silence()
        else:
            await at.pause(self.close_after)
            if not at.lifted:
                raise BrokenOff(reset=False)
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
