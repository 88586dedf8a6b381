"""One relayed connection: a near side, whoever came, and a far side, the target."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from emulator.faults.exchange import Exchange, Piece
from emulator.faults.flow import Flow
from emulator.faults.http_reading import ReplyReader, RequestReader
from emulator.faults.wire_fault import Direction, Planned

if TYPE_CHECKING:
    from emulator.faults.link import Link

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Connection:
    """Reads along on both sides, and has the faults of its link act on what passes."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.waiting: deque[Exchange] = deque()  # for their replies, in order
        self._latest = Exchange(opaque=True)  # what was asked last
        self._whole: Exchange | None = None  # the only exchange there is, where HTTP is not spoken
        if not link.http:
            self._whole = self._latest
            self.waiting.append(self._whole)
        self._requests, self._replies = RequestReader(self.waiting), ReplyReader(self.waiting)
        self.near = Side(self, self._near_sent, self._near_ended)
        self.far = Side(self, self._far_sent, self._far_ended)
        self.requests = Flow(self, "requests", self.near, self.far)
        self.replies = Flow(self, "replies", self.far, self.near)
        self._connecting: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()  # somebody's reply is whole

    # -- opening and closing ---------------------------------------------------------------

    def opened(self) -> None:
        """The near side is there: find the target."""
        self.link.connections.add(self)
        self.near.hold("connecting")
        self.silence(self.link.silent)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.far, *self.link.to)
        except OSError:
            self.reset()  # as near as a relay comes to a refusal
            return
        for planned in list(self.link.faults):
            await self.begin(planned)
        self.near.release("connecting")

    def silence(self, directions: frozenset[Direction]) -> None:
        """Nothing is read in these directions: what is sent waits at the sender's, as in a lost network."""
        for direction, source, flow in (
            ("requests", self.near, self.requests),
            ("replies", self.far, self.replies),
        ):
            if direction in directions:
                source.hold("cut")
                flow.open.clear()
            else:
                source.release("cut")
                flow.open.set()

    def other(self, side: Side) -> Side:
        return self.far if side is self.near else self.near

    def closed(self, side: Side, error: Exception | None) -> None:
        """One side has gone; the other learns of it in the same manner."""
        other = self.other(side)
        if error:
            other.reset()
        elif other.transport:
            other.transport.close()
        if not (self.near.transport or self.far.transport):
            self._forget()

    def half_closed(self) -> None:
        """When neither side has more to say, both are closed: nobody else will."""
        if self.near.said_all and self.far.said_all:
            for side in (self.near, self.far):
                if side.transport:
                    side.transport.close()

    def break_off(self, *, reset: bool) -> None:
        """End it here: with RST on both sides, or, for who came, as after the last word."""
        if reset:
            self.reset()
            return
        self.requests.stop()
        self.replies.stop()
        self.far.reset()
        if self.near.transport:
            self.near.transport.close()

    def reset(self) -> None:
        if self._connecting:
            self._connecting.cancel()
        self.near.reset()
        self.far.reset()
        self._forget()

    def _forget(self) -> None:
        self.requests.stop()
        self.replies.stop()
        self.link.connections.discard(self)

    # -- what passes -------------------------------------------------------------------------

    def _near_sent(self, data: bytes) -> None:
        pieces = [Piece(self._whole, "body", data)] if self._whole else self._requests.feed(data)
        self._latest = pieces[-1].exchange
        self.requests.take(pieces, data)

    def _far_sent(self, data: bytes) -> None:
        pieces = [Piece(self._whole, "body", data)] if self._whole else self._replies.feed(data)
        self._moved.set()
        self.replies.take(pieces, data)

    def _near_ended(self) -> None:
        """Nothing more is asked; it belongs to what was asked last."""
        self.requests.take([Piece(self._latest, "end", b"", last=True)])

    def _far_ended(self) -> None:
        exchange = self.waiting[0] if self.waiting else self._latest
        self.replies.take([Piece(exchange, "end", b"", last=True)])

    def touches(self, direction: Direction, piece: Piece) -> bool:
        """Whether a piece may not pass in the turn of the loop in which it came."""
        if direction == "requests" and self.link.faults:
            return True
        return bool(piece.exchange.faults or piece.exchange.withheld)

    async def forward(self, direction: Direction, piece: Piece) -> None:
        """Carry one piece on: a request when it is known what it is, and whether a fault touches it."""
        if direction == "replies":
            await self.replies.through_faults(piece)
            return
        exchange = piece.exchange
        exchange.withheld.append(piece)
        if piece.part != "end" and exchange.answer is None:
            # Who waits for "100 Continue" sends no body before the head has arrived.
            expects = exchange.request is not None and "expect" in exchange.request.headers
            if not (exchange.decidable or expects):
                return
            await self._decide(exchange)
        if exchange.answer is not None and piece.part != "end":
            exchange.withheld.clear()
            if piece.last:
                await self._answer(exchange)
            return
        while exchange.withheld:
            await self.requests.through_faults(exchange.withheld.pop(0))

    async def _decide(self, exchange: Exchange) -> None:
        """Have the link's faults look at a request; one of them may answer in the target's place."""
        if not exchange.decidable:
            return
        for planned in list(self.link.faults):
            await planned.consider(exchange)
        for at in exchange.faults:
            if exchange.answer is None and not at.lifted and exchange.request is not None:
                exchange.answer = at.planned.fault.answer(at)

    async def _answer(self, exchange: Exchange) -> None:
        """Give a reply of our own, when those before it have been given."""
        while self.waiting and self.waiting[0] is not exchange:
            self._moved.clear()
            await self._moved.wait()
        if self.waiting:
            self.waiting.popleft()
        assert exchange.request
        assert exchange.answer
        head, mark, body = exchange.answer.partition(b"\r\n\r\n")
        body = b"" if exchange.request.verb == "HEAD" else body
        pieces = [Piece(exchange, "head", head + mark, last=not body)]
        if body:
            pieces.append(Piece(exchange, "body", body, last=True))
        # A target that has seen a part of this request would take the next one for the rest of it.
        if exchange.request.wants_close or exchange.forwarded:
            pieces.append(Piece(exchange, "end", b"", last=True))
        self.replies.take(pieces, exchange.answer)

    # -- faults that come while it is open ---------------------------------------------------

    async def begin(self, planned: Planned) -> None:
        """A fault was set: it acts on what is under way, at once."""
        for exchange in list(self.waiting):
            if not exchange.decidable or (self._forwarded(exchange) and not planned.fault.acts_late()):
                continue
            at_work = await planned.consider(exchange)
            if at_work:
                planned.fault.begun(at_work, self)

    def _forwarded(self, exchange: Exchange) -> bool:
        """Whether the target has the whole request."""
        return exchange.read and not exchange.withheld and self.requests.idle


class Side(asyncio.Protocol):
    """One socket of a relayed connection."""

    def __init__(
        self, connection: Connection, sent: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._sent, self._ended = sent, ended
        self._holds: set[str] = set()  # why nothing is read now
        self.transport: asyncio.Transport | None = None
        self._heard_all = False
        self.said_all = False  # what the other one said has been said here, to its end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._holds:
            transport.pause_reading()
        if self is self._connection.near:
            self._connection.opened()

    def data_received(self, data: bytes) -> None:
        self._sent(data)

    def eof_received(self) -> bool:
        self._heard_all = True
        self._ended()
        return True  # half closed: the other direction goes on

    def write(self, data: bytes) -> None:
        if self.transport and not self.transport.is_closing():  # it has gone: that is told a moment later
            self.transport.write(data)

    def write_eof(self) -> None:
        if self.transport and self.transport.can_write_eof() and not self.said_all:
            with suppress(OSError):
                self.transport.write_eof()
        self.said_all = True
        self._connection.half_closed()

    def pause_writing(self) -> None:
        self._connection.other(self).hold("full")

    def resume_writing(self) -> None:
        self._connection.other(self).release("full")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._connection.closed(self, exc)

    def hold(self, why: str) -> None:
        """Read nothing, for this reason too."""
        if not self._holds and self.transport:
            self.transport.pause_reading()
        self._holds.add(why)

    def release(self, why: str) -> None:
        """This reason is gone; read again if it was the last."""
        if why not in self._holds:
            return
        self._holds.discard(why)
        if self._holds or self._heard_all:
            return
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    def reset(self) -> None:
        """Close with RST, as a process that was killed."""
        if self.transport:
            raw = self.transport.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
