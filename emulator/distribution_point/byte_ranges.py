"""The ``Range`` header: which bytes of a file are wanted (RFC 9110, 14.2).

BITS and curl ask for one range, other clients for several. Who asks for more ranges than a download
needs, or for the same bytes twice, gets the file whole, once: that is allowed, and costs us no more
than it is worth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

MOST = 16  # ranges in one request

_HEADER = re.compile(r"\s*bytes\s*=(.{1,1000})", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``end``, the last one excluded."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


class NotSatisfiable(Exception):
    """Every range lies behind the end of the file."""


def spans_of(header: str, size: int) -> tuple[Span, ...]:
    """The spans asked for, in their order; none when the whole file is to be sent.

    Raises:
        NotSatisfiable: nothing of what is asked for is in the file.
    """
    match = _HEADER.fullmatch(header)
    texts = [text for text in match[1].split(",") if text.strip()] if match else []
    if not texts or len(texts) > MOST:
        return ()
    spans = []
    for text in texts:
        ends = _RANGE.fullmatch(text)
        if ends is None or not (ends[1] or ends[2]) or (ends[1] and ends[2] and int(ends[2]) < int(ends[1])):
            return ()
        if span := _span(ends[1], ends[2], size):
            spans.append(span)
    if not spans:
        raise NotSatisfiable
    ordered = sorted(spans, key=lambda span: span.start)
    if any(after.start < before.end for before, after in pairwise(ordered)):
        return ()
    return tuple(spans)


def _span(first: str, last: str, size: int) -> Span | None:
    """One range in a file of this size; None where it lies behind the end."""
    if not first:
        return Span(max(0, size - int(last)), size) if int(last) and size else None
    start = int(first)
    return Span(start, min(int(last) + 1, size) if last else size) if start < size else None
