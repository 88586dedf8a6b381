"""A parser for ``CCM_POST`` and ``BITS_POST``: aiohttp's C parser knows a fixed list of verbs without these.

Its pure-Python parser takes every verb, at a third of the speed. So an ordinary request is shown
to the C parser as a ``POST``, and gets its own verb back afterwards. That is safe only where we know
to the byte where a request begins, so "ordinary" is strict: its head came in one piece, names its
length once in plain digits or not at all, and nothing follows its body. Whatever is unusual (a head
in pieces, a chunked body, pipelined requests, verbs nobody listed, folded lines, bare line feeds) turns the
connection over to the Python parser, for good, at the beginning of that request. Two parsers
never have to agree about a doubtful request: only one of them sees it.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from aiohttp.streams import EMPTY_PAYLOAD

# What the C parser is told -> what was sent.
DISGUISED = {b"CCM_POST": "CCM_POST", b"BITS_POST": "BITS_POST"}
PLAIN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PROPFIND"})
_SHOWN = b"POST"
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n")

Emitted = tuple[list[Any] | tuple[Any, ...], bool, bytes]


class CcmPostParser:
    """Stands where aiohttp keeps its request parser, and offers the same methods."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._quick = HttpRequestParser(*args, **kwargs)
        self._thorough: HttpRequestParserPy | None = None  # made when something unusual comes
        self._settings = args, kwargs
        self._left = 0  # bytes of the current body still to come
        self._held = b""  # the beginning of a request whose predecessor is not read to its end
        self._begun = self._emitted = 0  # requests given to the quick parser, and got back from it
        self._payload: Any = EMPTY_PAYLOAD  # of the last one got back
        self._verb: str | None = None

    # -- what aiohttp calls ----------------------------------------------------------

    def feed_data(self, data: bytes) -> Emitted:
        """Requests that became complete up to their head, and whether the protocol was changed.

        Raises:
            HttpProcessingError: the bytes are no HTTP.
        """
        if self._thorough is not None:
            return self._thorough.feed_data(data)
        if self._left:
            return self._body(data)
        if not data and not self._held:
            return self._quickly(b"")  # a reader has room again
        return self._begin(data)

    def message_consumed(self) -> None:
        self._quick.message_consumed()
        if self._thorough is not None:
            self._thorough.message_consumed()

    def pause_reading(self) -> None:
        (self._thorough or self._quick).pause_reading()

    def feed_eof(self) -> Any:
        return (self._thorough or self._quick).feed_eof()

    def set_upgraded(self, value: bool) -> None:
        (self._thorough or self._quick).set_upgraded(value)

    # -- one request after the other -------------------------------------------------

    @property
    def _idle(self) -> bool:
        """The quick parser has given back everything it was given."""
        return self._begun == self._emitted and bool(self._payload.is_eof())

    def _begin(self, data: bytes) -> Emitted:
        """A request begins here, if the one before it has been taken whole."""
        if self._held:
            data, self._held = self._held + data, b""
        if not self._idle:
            emitted = self._quickly(b"")
            if not self._idle:
                self._held = data
                return emitted
            return _joined(emitted, self._begin(data))
        end = data.find(_HEAD_END) + len(_HEAD_END)
        verb = data[: data.find(b" ", 0, 16)]
        length = _ordinary(data[:end], verb) if end >= len(_HEAD_END) else None
        if length is None or len(data) > end + length:
            args, kwargs = self._settings
            self._thorough = HttpRequestParserPy(*args, **kwargs)
            return self._thorough.feed_data(data)
        self._left = end + length - len(data)
        self._verb = DISGUISED.get(verb)
        self._begun += 1
        return self._quickly(_SHOWN + data[len(verb) :] if self._verb else data)

    def _body(self, data: bytes) -> Emitted:
        mine, rest = data[: self._left], data[self._left :]
        self._left -= len(mine)
        emitted = self._quickly(mine)
        return _joined(emitted, self._begin(rest)) if rest else emitted

    def _quickly(self, data: bytes) -> Emitted:
        messages, upgraded, tail = self._quick.feed_data(data)
        if messages:
            # Never more than one: the next request is shown when this one has been given back.
            message, self._payload = messages[0]
            self._emitted += 1
            if self._verb:
                return [(message._replace(method=self._verb), self._payload)], upgraded, tail
        return messages, upgraded, tail


def _joined(first: Emitted, second: Emitted) -> Emitted:
    return [*first[0], *second[0]], second[1], second[2]


def _ordinary(head: bytes, verb: bytes) -> int | None:
    """The length of the body, where nobody could read the head in two ways; None otherwise."""
    if verb not in PLAIN and verb not in DISGUISED:
        return None
    lines = head.count(b"\r\n")
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\r\n " in head or b"\r\n\t" in head:
        return None
    head = head.lower()
    if b"transfer-encoding" in head or b"upgrade" in head:
        return None
    mentioned = head.count(b"content-length")
    if not mentioned:
        return 0
    named = _LENGTH.search(head)
    return int(named[1]) if named and mentioned == 1 else None
