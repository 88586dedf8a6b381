"""ContentTransferManager: brings one package's files from one distribution point, resumably.

The list of files (WebDAV PROPFIND) is kept beside the partial files, so that a download
goes on at the byte where it stopped: after an outage, after a kill, at another
distribution point. The strong ETag is the file's hash; If-Range keeps halves of different
files from being joined. Whether the whole is right is decided by its hash, not here.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp

from clients.transport import OUTAGE, Transport, file_url, seen
from emulator.errors import DistributionPointUnavailable, MalformedMessage, UnsafePath
from emulator.protocol.content import safe_relative
from emulator.protocol.xml import parse_xml
from emulator.spool import write_durably

_DAV = "{DAV:}"
_CHUNK = 64 * 1024


class ContentRequest(NamedTuple):
    """One GET of a file, as it was asked and answered (status None: no answer)."""

    url: str
    range_start: int
    status: int | None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a package, as the distribution point lists it."""

    path: str  # relative, posix
    size: int
    etag: str


class Download:
    """One package on its way into a staging folder."""

    def __init__(
        self,
        staging: Path,
        transport: Transport,
        requests: list[ContentRequest],
        bytes_per_second: int | None,
        going: asyncio.Event,
    ) -> None:
        self.content = staging / "content"
        self._list = staging / "files.json"
        self._transport = transport
        self._requests = requests
        self._rate = bytes_per_second
        self._going = going  # cleared while the job is suspended
        self.files: list[RemoteFile] = []
        if self._list.exists():
            self.files = [RemoteFile(**f) for f in json.loads(self._list.read_text(encoding="utf-8"))]

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return sum(self._size(file) for file in self.files)

    def _size(self, file: RemoteFile) -> int:
        path = self.content / file.path
        return path.stat().st_size if path.exists() else 0

    async def run(self, package_url: str) -> None:
        """Fetch every byte that is missing from this distribution point.

        Raises:
            DistributionPointUnavailable: it went away, or what it serves is unusable; what
                has arrived stays.
        """
        listed = self._parse(package_url, await self._transport.list_files(package_url))
        self._adopt(listed)
        for file in self.files:
            await self._fetch(file, file_url(package_url, file.path))

    def _parse(self, package_url: str, multistatus: bytes) -> list[RemoteFile]:
        root = unquote(urlsplit(package_url).path).rstrip("/") + "/"
        files = []
        try:
            for response in parse_xml(multistatus).iter(f"{_DAV}response"):
                path = unquote(urlsplit(response.findtext(f"{_DAV}href", "")).path)
                if (
                    path.rstrip("/") + "/" == root
                    or next(response.iter(f"{_DAV}collection"), None) is not None
                ):
                    continue
                if not path.lower().startswith(root.lower()):
                    raise MalformedMessage(f"{path} is listed, but lies outside {root}")
                relative = safe_relative(path[len(root) :])
                size = next(response.iter(f"{_DAV}getcontentlength"))
                etag = next(response.iter(f"{_DAV}getetag"), None)
                files.append(
                    RemoteFile(
                        relative.as_posix(),
                        int(size.text or ""),
                        (etag.text or "") if etag is not None else "",
                    )
                )
        except (MalformedMessage, UnsafePath, StopIteration, ValueError) as exc:
            raise DistributionPointUnavailable(f"unusable list of files: {seen(exc)}", status=207) from exc
        return sorted(files, key=lambda file: file.path)

    def _adopt(self, listed: list[RemoteFile]) -> None:
        """Keep the list; files that changed since the last one start over."""
        self.content.mkdir(parents=True, exist_ok=True)
        if listed == self.files:
            return
        before = {file.path: file for file in self.files}
        now = {file.path: file for file in listed}
        for path, file in before.items():
            if now.get(path) != file:
                (self.content / path).unlink(missing_ok=True)
        write_durably(self._list, json.dumps([asdict(file) for file in listed]).encode())
        self.files = listed

    async def _fetch(self, file: RemoteFile, url: str) -> None:
        path = self.content / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > file.size:
            path.unlink()  # cannot be the beginning of this file
        with path.open("ab") as target:
            if target.tell() == file.size:
                return
            while target.tell() < file.size:
                await self._going.wait()
                await self._fetch_part(file, url, target)
            target.flush()
            await asyncio.to_thread(os.fsync, target.fileno())

    async def _fetch_part(self, file: RemoteFile, url: str, target: BinaryIO) -> None:
        """One request: the rest of the file, or one block of it when bandwidth is limited."""
        start = target.tell()
        headers: dict[str, str] = {}
        if self._rate is not None:
            # As BITS does it: a limited download asks for blocks, so that no more than a
            # block is ever under way and an outage stops it where it stands.
            block = max(self._rate // 10, 1)
            headers["Range"] = f"bytes={start}-{min(start + block, file.size) - 1}"
        elif start:
            headers["Range"] = f"bytes={start}-"
        if start and file.etag:
            headers["If-Range"] = file.etag
        status: int | None = None
        try:
            async with self._transport.read_file(url, headers) as response:
                status = response.status
                await self._append(file, response, target)
        finally:
            target.flush()
            self._requests.append(ContentRequest(url, start, status))
        if self._rate is not None:
            # Real seconds: bandwidth belongs to the wire, which no site clock speeds up.
            await asyncio.sleep((target.tell() - start) / self._rate)

    async def _append(self, file: RemoteFile, response: aiohttp.ClientResponse, target: BinaryIO) -> None:
        start = target.tell()
        if response.status == 206:
            content_range = response.headers.get("Content-Range", "")
            if not content_range.startswith(f"bytes {start}-"):
                raise DistributionPointUnavailable(
                    f"HTTP 206 with Content-Range {content_range!r} for byte {start}", status=206
                )
        elif response.status == 200:
            target.truncate(0)  # the whole file: another one than the partial, or ranges are not served
            target.seek(0)
        else:
            if response.status == 416:
                target.truncate(0)
                target.seek(0)
            raise DistributionPointUnavailable(f"HTTP {response.status}", status=response.status)
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                if target.tell() + len(chunk) > file.size:
                    target.truncate(0)
                    target.seek(0)
                    raise DistributionPointUnavailable(f"{file.path} is longer than the list says")
                target.write(chunk)
        except OUTAGE as exc:
            raise DistributionPointUnavailable(seen(exc)) from exc
        if target.tell() == start:
            raise DistributionPointUnavailable(f"{file.path} ended at byte {start} of {file.size}")
