"""Several report files in one request, from a management point's outbox to an inbox.

Each file as ``<key> <length>`` on a line, then so many bytes. A site that comes back to a backlog takes
many small files: one request and one write to disk for many of them is what keeps that short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emulator.errors import MalformedMessage

MOST_FILES = 128
MOST_BYTES = 1_048_576  # of the files together; a larger one travels alone
_LONGEST_LINE = 160


def encode_batch(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Keys and contents as one body."""
    return b"".join(b"%s %d\n%s" % (key.encode("ascii"), len(content), content) for key, content in files)


def decode_batch(data: bytes) -> Sequence[tuple[str, bytes]]:
    """Keys and contents of a body.

    Raises:
        MalformedMessage: it is not what ``encode_batch`` makes, or too many files.
    """
    files: list[tuple[str, bytes]] = []
    position = 0
    while position < len(data):
        end = data.find(b"\n", position, position + _LONGEST_LINE)
        key, _, length = data[position : max(end, position)].partition(b" ")
        if end < 0 or not (key.isalnum() and length.isdigit()):
            raise MalformedMessage(
                f"file {len(files) + 1}: a line with a key and a length is expected", raw=data[:200]
            )
        position = end + 1 + int(length)
        if position > len(data):
            raise MalformedMessage(f"file {len(files) + 1} is shorter than {int(length)} bytes")
        if len(files) == MOST_FILES:
            raise MalformedMessage(f"more than {MOST_FILES} files")
        files.append((key.decode("ascii"), data[end + 1 : position]))
    return files
