"""Package transfer: a snapshot on its way to a distribution point, as one tar over HTTP PUT.

Stands in for the SMB copy of the product: no throttling, no restart; a transfer that breaks is
begun anew at the next retry. The tar is made while it is sent, so a package needs no second copy
on the site server's disk.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp

from emulator.errors import DistributionPointUnavailable

CHUNK = 256 * 1024
BLOCK = tarfile.BLOCKSIZE
SLOWEST_DISK = 10 * 1024 * 1024  # bytes a second at which a distribution point verifies what it took
SLOWEST_SYNC = 500  # files a second at which it makes them survive a crash


class PackageTransfer:
    """Sends packages to distribution points and takes them away again."""

    def __init__(self, secret: str, patience: float) -> None:
        """``patience``: real seconds without any progress until a transfer is given up."""
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        # The total is not bounded: a large package may take long, as long as it moves.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._patience)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def send(self, url: str, snapshot: Path, package_hash: str) -> None:
        """Put the snapshot at ``<dp>/SMSPKG/<PackageID>.<version>``.

        Raises:
            DistributionPointUnavailable: it could not be reached, or did not take the package.
            FileNotFoundError: there is no snapshot.
        """
        if not snapshot.is_dir():
            # In the body's generator aiohttp would call it a lost connection.
            raise FileNotFoundError(f"{snapshot}: there is no such folder")
        try:
            async with asyncio.timeout(self._patience) as limit:
                body = self._watched(snapshot, limit)
                await self._request("PUT", url, data=body, headers={"X-Package-Hash": package_hash})
        except TimeoutError as exc:
            raise DistributionPointUnavailable(f"no progress for {self._patience:g} s") from exc

    async def remove(self, url: str) -> None:
        """Delete a package there; one that is not there is as good as deleted.

        Raises:
            DistributionPointUnavailable: it could not be reached, or refused.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._request("DELETE", url)
        except TimeoutError as exc:
            raise DistributionPointUnavailable(f"no answer for {self._patience:g} s") from exc
        except DistributionPointUnavailable as exc:
            if exc.status != 404:
                raise

    async def _request(self, method: str, url: str, **options: object) -> None:
        assert self._session is not None
        try:
            async with self._session.request(method, url, **options) as response:  # type: ignore[arg-type]
                text = (await response.text())[:300].strip()
        except aiohttp.ClientError as exc:
            raise DistributionPointUnavailable(f"{type(exc).__name__}: {exc}") from exc
        if response.status >= 300:
            raise DistributionPointUnavailable(f"HTTP {response.status} {text}", status=response.status)

    async def _watched(self, snapshot: Path, limit: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The tar; each piece that the connection takes renews the time limit.

        aiohttp bounds how long an answer may take, not how long a frozen receiver leaves the
        body unread.
        """
        now = asyncio.get_running_loop().time
        sent = 0
        files = await asyncio.to_thread(lambda: sum(1 for _ in snapshot.rglob("*")))
        async for piece in tar_stream(snapshot):
            limit.reschedule(now() + self._patience)
            yield piece
            sent += len(piece)
        limit.reschedule(now() + self._patience + seconds_to_store(sent, files))


def seconds_to_store(size: int, files: int) -> float:
    """How long a slow distribution point is busy with what it has received, before it answers."""
    return size / SLOWEST_DISK + files / SLOWEST_SYNC


async def tar_stream(folder: Path) -> AsyncIterator[bytes]:
    """The folder's files and folders as a tar, in the order of their names, in pieces of some size."""
    blocks = _tar_blocks(folder)
    while piece := await asyncio.to_thread(_gather, blocks):
        yield piece


def _gather(blocks: Iterator[bytes]) -> bytes:
    """So many blocks that the way to a thread and over the wire is worth it; none at the end."""
    gathered = bytearray()
    for block in blocks:
        gathered += block
        if len(gathered) >= CHUNK:
            break
    return bytes(gathered)


def _tar_blocks(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*")):
        member = tarfile.TarInfo(path.relative_to(folder).as_posix())
        state = path.stat()
        member.mtime = int(state.st_mtime)
        if path.is_dir():
            member.type = tarfile.DIRTYPE
            member.mode = 0o755
            yield member.tobuf(tarfile.PAX_FORMAT)
        else:
            member.size = state.st_size
            yield member.tobuf(tarfile.PAX_FORMAT)
            with path.open("rb") as file:
                while piece := file.read(CHUNK):
                    yield piece
            yield bytes(-state.st_size % BLOCK)
    yield bytes(2 * BLOCK)
