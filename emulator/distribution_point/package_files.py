"""Reading content: GET and HEAD of one file, whole or in ranges.

The validator is the file's SHA-256 as it was when the package arrived, so that a download that
resumes (``If-Range``) never joins two different files. aiohttp's own ``FileResponse`` is not used: its
ETag is made of time and size, and it would send ``setup.txt.gz`` to who asked for ``setup.txt``.

A small file is read at once and leaves with its headers in one write; a large one is sent by the kernel.
Opening is not handed to a thread: that costs more than what it could save where the file's folder is in
memory, as it is after the first reader.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import hdrs, web
from multidict import CIMultiDict

from emulator.distribution_point.byte_ranges import NotSatisfiable, Span, spans_of
from emulator.distribution_point.file_response import FileResponse, multipart
from emulator.distribution_point.resource import Resource
from emulator.distribution_point.webdav import http_date
from emulator.errors import ObjectNotFound

SMALL = 64 * 1024  # bytes that are copied rather than sent from the file


class PackageFiles:
    """Answers GET and HEAD."""

    async def get(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        """One file.

        Raises:
            ObjectNotFound: it cannot be read.
        """
        headers = headers_of(resource)
        status = _precondition(request, resource)
        if status is not None:
            del headers[hdrs.CONTENT_TYPE]
            return web.Response(status=status, headers=headers)
        if isinstance(resource.content, bytes):
            return _answer(request, resource, headers, None, len(resource.content))
        file = _open(resource.content)
        try:
            response = _answer(request, resource, headers, file, os.fstat(file).st_size)
        except BaseException:
            os.close(file)
            raise
        if not isinstance(response, FileResponse):
            os.close(file)
        return response


def headers_of(resource: Resource) -> CIMultiDict[str]:
    """What is said of a file in every reply."""
    return CIMultiDict(
        {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.ETAG: f'"{resource.etag}"',
            hdrs.LAST_MODIFIED: http_date(resource.modified),
            hdrs.ACCEPT_RANGES: "bytes",
        }
    )


def is_conditional(request: web.Request) -> bool:
    headers = request.headers
    return (
        hdrs.IF_NONE_MATCH in headers
        or hdrs.IF_MODIFIED_SINCE in headers
        or hdrs.IF_MATCH in headers
        or hdrs.IF_UNMODIFIED_SINCE in headers
    )


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise ObjectNotFound(f"{path.name!r} cannot be read ({exc.strerror})") from exc


def _answer(
    request: web.Request, resource: Resource, headers: CIMultiDict[str], file: int | None, size: int
) -> web.StreamResponse:
    """The response for what is in memory (no file) or in an open file, which the response then owns."""
    spans: tuple[Span, ...] = ()
    if request.method == hdrs.METH_GET and _range_wanted(request, resource):
        try:
            spans = spans_of(request.headers[hdrs.RANGE], size)
        except NotSatisfiable:
            headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
            del headers[hdrs.CONTENT_TYPE]
            return web.Response(status=416, headers=headers)
    if len(spans) == 1:
        headers[hdrs.CONTENT_RANGE] = spans[0].content_range(size)
    whole = Span(0, size)
    pieces: list[bytes | Span] = list(spans or [whole])
    if len(spans) > 1:
        pieces, headers[hdrs.CONTENT_TYPE] = multipart(spans, size, resource.etag[:32])
    status = 206 if spans else 200
    length = sum(len(p) if isinstance(p, bytes) else p.end - p.start for p in pieces)
    if request.method == hdrs.METH_HEAD:
        headers[hdrs.CONTENT_LENGTH] = str(length)
        return web.Response(status=status, headers=headers)
    if file is None:
        assert isinstance(resource.content, bytes)
        memory = resource.content
        body = b"".join(p if isinstance(p, bytes) else memory[p.start : p.end] for p in pieces)
        return web.Response(status=status, headers=headers, body=body)
    if length <= SMALL:
        body = b"".join(
            p if isinstance(p, bytes) else os.pread(file, p.end - p.start, p.start) for p in pieces
        )
        if len(body) == length:
            return web.Response(status=status, headers=headers, body=body)
    headers[hdrs.CONTENT_LENGTH] = str(length)
    return FileResponse(file, status, headers, pieces)


def _precondition(request: web.Request, resource: Resource) -> int | None:
    """412 or 304 where the request's conditions say so, in the order of RFC 9110, 13.2.2."""
    if not is_conditional(request):
        return None
    etag, modified = resource.etag, datetime.fromtimestamp(resource.modified, UTC)
    if request.if_match is not None:
        if not any(e.value in (etag, "*") and not e.is_weak for e in request.if_match):
            return 412
    elif request.if_unmodified_since is not None and modified > request.if_unmodified_since:
        return 412
    if request.if_none_match is not None:
        if any(e.value in (etag, "*") for e in request.if_none_match):
            return 304
    elif request.if_modified_since is not None and modified <= request.if_modified_since:
        return 304
    return None


def _range_wanted(request: web.Request, resource: Resource) -> bool:
    if hdrs.RANGE not in request.headers:
        return False
    condition = request.headers.get(hdrs.IF_RANGE, "").strip()
    if not condition:
        return True
    if condition.startswith(('"', "W/")):
        return condition == f'"{resource.etag}"'  # a weak validator never joins two parts
    date = request.if_range
    return date is not None and date.timestamp() == resource.modified
