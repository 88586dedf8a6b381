"""Sending parts of an open file: the bytes go from the page cache to the socket, not through us."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from emulator.distribution_point.byte_ranges import Span

_CHUNK = 256 * 1024


def multipart(spans: Sequence[Span], size: int, boundary: str) -> tuple[list[bytes | Span], str]:
    """The body of a reply with several ranges (RFC 9110, 14.6), and its content type."""
    pieces: list[bytes | Span] = []
    for number, span in enumerate(spans):
        start = "\r\n" if number else ""
        head = (
            f"{start}--{boundary}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Range: {span.content_range(size)}\r\n\r\n"
        )
        pieces += [head.encode(), span]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return pieces, f"multipart/byteranges; boundary={boundary}"


class FileResponse(web.StreamResponse):
    """Texts and spans of a file, one after the other; the file is closed in any case."""

    def __init__(
        self, file: int, status: int, headers: CIMultiDict[str], pieces: Sequence[bytes | Span]
    ) -> None:
        super().__init__(status=status, headers=headers)
        self._file = os.fdopen(file, "rb", buffering=0)
        self._pieces = pieces

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            writer = await super().prepare(request)
            for piece in self._pieces:
                if isinstance(piece, bytes):
                    await self.write(piece)
                elif piece.end > piece.start:
                    await self._send(request, piece)
            return writer
        finally:
            self._file.close()

    async def _send(self, request: web.BaseRequest, span: Span) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        loop, count = asyncio.get_running_loop(), span.end - span.start
        try:
            sent = await loop.sendfile(transport, self._file, span.start, count)
        except NotImplementedError:  # uvloop has no sendfile
            sent = await self._copy(span.start, count)
        if sent < count:  # the file was cut under us: the client must not wait for the rest
            transport.abort()
            raise ConnectionResetError("the file became shorter while it was sent")

    async def _copy(self, offset: int, count: int) -> int:
        self._file.seek(offset)
        left = count
        while left and (chunk := await asyncio.to_thread(self._file.read, min(left, _CHUNK))):
            await self.write(chunk)
            left -= len(chunk)
        return count - left
