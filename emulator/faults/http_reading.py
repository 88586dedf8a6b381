"""Reading along: which bytes on a link belong to which request and which reply.

Nothing is held back or changed here: the pieces of a request or reply, put together, are the bytes that
were read. What is no HTTP as we know it is taken for one opaque exchange from there on.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from emulator.faults.exchange import MAX_MESSAGE, Exchange, Piece, Request

MAX_HEAD = 64 * 1024
_END = b"\r\n\r\n"
_State = Literal["head", "sized", "chunk size", "chunk", "chunk end", "trailer", "until end", "opaque"]


class NotHttp(Exception):
    """The bytes are no HTTP that can be followed."""


class Reader:
    """Tells heads from bodies in one direction of a connection."""

    def __init__(self) -> None:
        self._state: _State = "head"
        self._head = bytearray()  # of a head, a chunk's size line, a trailer
        self._left = 0  # bytes of the body, or of the chunk, that are still to come

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces these bytes are, in order."""
        pieces: list[Piece] = []
        while data:
            try:
                count = self._take(data, pieces)
            except NotHttp:
                self._state = "opaque"
                continue
            data = data[count:]
        return pieces

    def _take(self, data: bytes, pieces: list[Piece]) -> int:
        """One step: adds a piece, and tells how many bytes it has."""
        if self._state == "opaque":
            pieces.append(Piece(self._opaque(), "body", data))
            return len(data)
        if self._state == "head":
            return self._take_head(data, pieces)
        if self._state in ("chunk size", "chunk end", "trailer"):
            return self._take_frame(data, pieces)
        return self._take_body(data, pieces)

    def _take_head(self, data: bytes, pieces: list[Piece]) -> int:
        exchange = self._exchange()
        count, whole = self._until(_END, data)
        if self._head[:2] == b"\r\n":  # some clients end a body with a line end too many
            del self._head[:2]
            whole = self._head.endswith(_END)
        # TLS, for one, begins with a byte that no word begins with.
        if self._head and not (0x20 < self._head[0] < 0x7F or self._head[0] == 0x0D):
            raise NotHttp
        if not whole and b"\n\n" in self._head:
            raise NotHttp
        piece = Piece(exchange, "head", data[:count])
        if whole:
            head, self._head = bytes(self._head[:-4]), bytearray()
            self._begin_body(head, exchange)
            piece.last = self._finished()
        pieces.append(piece)
        return count

    def _take_body(self, data: bytes, pieces: list[Piece]) -> int:
        count = len(data) if self._state == "until end" else min(self._left, len(data))
        piece = Piece(self._exchange(), "body", data[:count])
        self._saw_body(piece)
        pieces.append(piece)
        if self._state == "until end":
            return count
        self._left -= count
        if not self._left:
            if self._state == "chunk":
                self._state = "chunk end"
            else:
                self._done()
                piece.last = self._finished()
        return count

    def _take_frame(self, data: bytes, pieces: list[Piece]) -> int:
        count, whole = self._until(b"\r\n", data)
        piece = Piece(self._exchange(), "frame", data[:count])
        if whole:
            line, self._head = bytes(self._head[:-2]), bytearray()
            if self._state == "chunk end":
                self._state = "chunk size"
            elif self._state == "chunk size":
                self._left = _chunk_size(line)
                self._state = "chunk" if self._left else "trailer"
            elif not line:
                self._done()
                piece.last = self._finished()
        pieces.append(piece)
        return count

    def _until(self, mark: bytes, data: bytes) -> tuple[int, bool]:
        """How many of the bytes go up to the mark, which may have begun earlier; whether it is there."""
        before = len(self._head)
        self._head += data[: MAX_HEAD + 1]
        found = self._head.find(mark, max(0, before - len(mark) + 1))
        if found < 0:
            if len(self._head) > MAX_HEAD:
                raise NotHttp
            return len(data), False
        del self._head[found + len(mark) :]
        return found + len(mark) - before, True

    def _frame(self, headers: dict[str, str], otherwise: _State) -> None:
        """What comes behind a head, as its headers tell."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            self._state = "chunk size"
        elif "content-length" in headers:
            text = headers["content-length"]
            if not (text.isascii() and text.isdigit()):
                raise NotHttp
            self._left = int(text)
            self._state = "sized"
            if not self._left:
                self._done()
        else:
            self._state = otherwise
            if otherwise == "head":
                self._done()

    # -- what requests and replies do differently ------------------------------------------

    def _exchange(self) -> Exchange:
        raise NotImplementedError

    def _opaque(self) -> Exchange:
        raise NotImplementedError

    def _begin_body(self, head: bytes, exchange: Exchange) -> None:
        raise NotImplementedError

    def _saw_body(self, piece: Piece) -> None:
        """A piece of a body went by."""

    def _done(self) -> None:
        """The request or reply is whole."""
        self._state = "head"

    def _finished(self) -> bool:
        """Whether the piece just taken was its last."""
        return self._state == "head"


class RequestReader(Reader):
    """Requests: each begins an exchange, which waits for its reply."""

    def __init__(self, waiting: deque[Exchange]) -> None:
        super().__init__()
        self._waiting = waiting
        self._current: Exchange | None = None
        self._rest: Exchange | None = None  # what is no HTTP

    def _exchange(self) -> Exchange:
        if self._current is None:
            self._current = Exchange()
            self._waiting.append(self._current)
        return self._current

    def _opaque(self) -> Exchange:
        if self._rest is None:
            self._rest = self._exchange()
            self._rest.opaque = True
        return self._rest

    def _begin_body(self, head: bytes, exchange: Exchange) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise NotHttp
        exchange.request = Request(words[0], words[1], headers_of(lines[1:]))
        self._frame(exchange.request.headers, "head")

    def _saw_body(self, piece: Piece) -> None:
        request = piece.exchange.request
        if request and request.has_message and len(request.body) <= MAX_MESSAGE:
            request.body += piece.data

    def _done(self) -> None:
        super()._done()
        if self._current:
            self._current.read = True
        self._current = None


class ReplyReader(Reader):
    """Replies, in the order of the requests that wait for them."""

    def __init__(self, waiting: deque[Exchange]) -> None:
        super().__init__()
        self._waiting = waiting
        self._stray = Exchange(opaque=True)  # what nobody asked for
        self._interim = False  # the head just read announces another one

    def _exchange(self) -> Exchange:
        return self._waiting[0] if self._waiting else self._stray

    def _opaque(self) -> Exchange:
        return self._exchange()

    def _begin_body(self, head: bytes, exchange: Exchange) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise NotHttp
        status = int(words[1])
        verb = exchange.request.verb if exchange.request else ""
        if 100 <= status < 200 and status != 101:
            self._interim = True
        elif verb == "HEAD" or status in (204, 304):
            self._done()
        else:
            self._frame(headers_of(lines[1:]), "until end")

    def _finished(self) -> bool:
        interim, self._interim = self._interim, False
        return super()._finished() and not interim

    def _done(self) -> None:
        super()._done()
        if self._waiting:
            self._waiting.popleft()


def headers_of(lines: list[str]) -> dict[str, str]:
    """Header fields by names in small letters; of several of one name, the last."""
    fields = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in fields}


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise NotHttp from None
