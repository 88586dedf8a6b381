"""The multipart body of a message: part one the header, part two the payload.

Parts are known by position; their own headers vary from client to client. The content
may hold line ends and NULs, so only the delimiter's bytes are searched for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from emulator.errors import MalformedMessage
from emulator.protocol.xml import to_utf16

BOUNDARY = "aAbBcCdDv1234567890VxXyYzZ"
CONTENT_TYPE = f'multipart/mixed; boundary="{BOUNDARY}"'

_BOUNDARY_PARAMETER = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_FIRST_LINE = re.compile(rb"--([^\r\n]{1,200}?)[ \t]*\r\n")
_DELIMITERS = 3  # before each part, and the closing one


@dataclass(frozen=True, slots=True)
class Framed:
    """The two parts of a message, as they arrived."""

    header: bytes
    payload: bytes


def encode_multipart(header_xml: str, payload: bytes) -> bytes:
    """The HTTP body of a message or reply.

    Raises:
        MalformedMessage: the content holds the delimiter; public clients insist on this very one.
    """
    line = b"--" + BOUNDARY.encode()
    header = to_utf16(header_xml)
    if line in header or line in payload:
        raise MalformedMessage("the content holds the multipart delimiter")
    return b"\r\n".join(
        (
            line,
            b"Content-Type: text/plain; charset=UTF-16",
            b"",
            header,
            line,
            b"Content-Type: application/octet-stream",
            b"",
            payload,
            line + b"--",
            b"",
        )
    )


def decode_multipart(content_type: str, body: bytes) -> Framed:
    """Split a body at whatever boundary its content type names.

    Raises:
        MalformedMessage: no boundary, or not two whole parts (a body cut short).
    """
    if not content_type.lower().lstrip().startswith("multipart/mixed"):
        raise MalformedMessage(f"expected multipart/mixed, not {content_type!r}", raw=body[:200])
    named = _BOUNDARY_PARAMETER.search(content_type)
    if not named:
        raise MalformedMessage("the content type names no boundary", raw=body[:200])
    boundary = (named[1] or named[2]).encode("utf-8", "replace")
    found = list(islice(_delimiter(boundary).finditer(b"\r\n" + body), _DELIMITERS))
    if len(found) < _DELIMITERS or found[0][1] or found[1][1] or not found[2][1]:
        raise MalformedMessage(
            "expected two parts and a closing delimiter; was the body cut short?", raw=body[:200]
        )
    first, second, closing = found
    # Positions are those of the body behind the line end that was put before it.
    return Framed(
        _content(body[first.end() - 2 : second.start() - 2]),
        _content(body[second.end() - 2 : closing.start() - 2]),
    )


@lru_cache(maxsize=16)
def _delimiter(boundary: bytes) -> re.Pattern[bytes]:
    """A whole line, or the content might hold it: some clients' boundaries are short."""
    return re.compile(rb"\r\n--" + re.escape(boundary) + rb"(?:[ \t]*(?=\r\n)|(--))")


def content_type_of(body: bytes) -> str:
    """The content type of a message that came without one: an upload names its boundary in its first line.

    Raises:
        MalformedMessage: the body begins with no delimiter.
    """
    line = _FIRST_LINE.match(body)
    if not line or b'"' in line[1]:
        raise MalformedMessage("the upload does not begin with a multipart delimiter", raw=body[:200])
    return f'multipart/mixed; boundary="{line[1].decode("utf-8", "replace")}"'


def _content(part: bytes) -> bytes:
    if part.startswith(b"\r\n\r\n"):
        return part[4:]
    _, blank, content = part.partition(b"\r\n\r\n")
    if not blank:
        raise MalformedMessage("a part has no blank line after its headers", raw=part[:200])
    return content
