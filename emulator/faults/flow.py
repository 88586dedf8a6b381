"""One direction of a relayed connection: what one side has sent, in order, on its way to the other.

While no fault touches an exchange, its bytes are written on in the same turn of the loop in which they
were read. Otherwise they queue here, and one task carries them through the faults, piece by piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from emulator.faults.exchange import Exchange, Piece
from emulator.faults.wire_fault import BrokenOff, Direction

if TYPE_CHECKING:
    from emulator.faults.connection import Connection, Side

QUEUED = 256 * 1024  # bytes on their way, above which the sender has to wait


class Flow:
    """The requests of a connection, or its replies."""

    def __init__(self, connection: Connection, direction: Direction, source: Side, sink: Side) -> None:
        self._connection = connection
        self._direction: Direction = direction
        self._source = source
        self._sink = sink
        self._queue: deque[Piece] = deque()
        self._size = 0
        self._carrying: asyncio.Task[None] | None = None
        self.open = asyncio.Event()  # cleared while the link is cut in this direction
        self.open.set()

    @property
    def idle(self) -> bool:
        return self._carrying is None

    def take(self, pieces: list[Piece], data: bytes = b"") -> None:
        """Pass on what was read: at once if nothing stands in the way (``data``, its bytes as they came)."""
        if self.idle and not any(self._connection.touches(self._direction, piece) for piece in pieces):
            self._pass(pieces, data)
            return
        now = asyncio.get_running_loop().time()
        for piece in pieces:
            piece.arrived = now
            self._queue.append(piece)
            self._size += len(piece.data)
        if self._size > QUEUED:
            self._source.hold("queue")
        if self._carrying is None:
            self._carrying = asyncio.get_running_loop().create_task(self._carry())

    def _pass(self, pieces: list[Piece], data: bytes) -> None:
        for piece in pieces:
            if self._direction == "requests":
                piece.exchange.forwarded += len(piece.data)
        if data:
            self._sink.write(data)
        if pieces[-1].part == "end":
            self._sink.write_eof()

    def stop(self) -> None:
        """Forget what is on its way."""
        if self._carrying and self._carrying is not asyncio.current_task():
            self._carrying.cancel()
        self._queue.clear()

    async def _carry(self) -> None:
        try:
            while self._queue:
                piece = self._queue.popleft()
                self._size -= len(piece.data)
                if self._size <= QUEUED:
                    self._source.release("queue")
                await self._connection.forward(self._direction, piece)
        except BrokenOff as broken:
            self._connection.break_off(reset=broken.reset)
        except Exception:
            self._connection.reset()  # a mistake of ours: nobody shall wait for what cannot come
            raise
        finally:
            self._carrying = None

    async def through_faults(self, piece: Piece) -> None:
        """Carry a piece through every fault at work on its exchange, in the order in which they were set."""
        await self._from(0, piece)

    async def _from(self, number: int, piece: Piece) -> None:
        faults = piece.exchange.faults
        if number == len(faults):
            await self._write(piece)
            return

        async def onwards(out: Piece) -> None:
            await self._from(number + 1, out)

        await faults[number].carry(self._direction, piece, onwards)

    async def _write(self, piece: Piece) -> None:
        await self.open.wait()
        if piece.part == "end":
            self._end(piece.exchange)
            return
        if self._direction == "requests":
            piece.exchange.forwarded += len(piece.data)
        self._sink.write(piece.data)

    def _end(self, exchange: Exchange) -> None:
        if self._direction == "replies" and exchange.answer is not None:
            raise BrokenOff(reset=False)  # the target never had this request
        self._sink.write_eof()
