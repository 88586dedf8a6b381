"""Small files asked for again: what it costs to find and to describe them is paid once.

A package is mostly small files, and for those the way to the bytes costs more than the bytes. So the
path of a small file that was served is remembered, as the request spelled it, with the header of the
reply; the next request reads the file and sends header and bytes in one write. The bytes
are read from the disk every time, and everything is forgotten when a package comes or goes.

Only the plainest request is answered here: a GET of everything, without conditions, on a connection
that stays open. All others take the long way, and get the same answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from emulator.distribution_point.package_files import SMALL, headers_of, is_conditional
from emulator.distribution_point.package_store import PackageStore
from emulator.distribution_point.resource import Resource

REMEMBERED = 16_384  # paths; with their headers some ten megabytes


@dataclass(frozen=True, slots=True)
class _Known:
    path: Path
    size: int
    head: str  # all but the date


class SmallFiles:
    """What is remembered of small files."""

    def __init__(self, store: PackageStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._as_of = store.changes

    def answer(self, request: web.Request) -> web.StreamResponse | None:
        """The reply, if this is a plain request for a file that is remembered."""
        known = self._known.get(request.raw_path)
        if known is None or not _plain(request):
            return None
        if self._as_of != self._store.changes:
            self._known.clear()
            return None
        body = _read(known)
        return None if body is None else _Ready(known.head, body)

    def remember(self, request: web.Request, resource: Resource, as_of: int) -> None:
        """Keep what a later request for the same path needs, if the file is small enough.

        ``as_of`` are the store's changes when the file was found: a package may have been replaced since.
        """
        if as_of != self._store.changes:
            return
        if not isinstance(resource.content, Path) or not resource.size or resource.size > SMALL:
            return
        if self._as_of != self._store.changes or len(self._known) >= REMEMBERED:
            self._known.clear()
            self._as_of = self._store.changes
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers_of(resource).items())
        head = (
            f"HTTP/1.1 200 OK\r\n{lines}{hdrs.CONTENT_LENGTH}: {resource.size}\r\n"
            f"{hdrs.SERVER}: {SERVER_SOFTWARE}\r\n"
        )
        self._known[request.raw_path] = _Known(resource.content, resource.size, head)


def _plain(request: web.Request) -> bool:
    return (
        request.method == hdrs.METH_GET
        and request.version == HttpVersion11
        and request.keep_alive
        and hdrs.RANGE not in request.headers
        and not is_conditional(request)
    )


def _read(known: _Known) -> bytes | None:
    """The file's bytes; None when it is not what it was, and the long way has to tell."""
    try:
        file = os.open(known.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        body = os.pread(file, known.size + 1, 0)
    except OSError:
        return None
    finally:
        os.close(file)
    return body if len(body) == known.size else None


class _Ready(web.StreamResponse):
    """A reply that is whole already; it goes to the connection as it is."""

    def __init__(self, head: str, body: bytes) -> None:
        super().__init__()
        self._bytes = b"".join(
            (head.encode("ascii"), f"Date: {rfc822_formatted_time()}\r\n\r\n".encode("ascii"), body)
        )

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(self._bytes)
        if transport.get_write_buffer_size():
            await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything was sent with the header."""
