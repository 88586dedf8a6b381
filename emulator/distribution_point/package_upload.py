"""Package content on its way from the site server: ``PUT /SMSPKG/<PackageID>.<version>``, one tar.

Stands in for Distribution Manager's copy to the SMSPKG share. The tar is kept in staging, taken
apart there, hashed and synced; only content whose hash is the announced one gets its name.
"""

from __future__ import annotations

import asyncio
import filecmp
import hashlib
import os
import tarfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from emulator.distribution_point.package_store import PackageStore, StoredFile, package_name, sync_to_disk
from emulator.errors import ContentHashMismatch, MalformedMessage, UnsafePath
from emulator.protocol.content import package_hash, safe_relative

HASH_HEADER = "X-Package-Hash"
_CHUNK = 1024 * 1024
SYNCING = 8  # threads

SameFile = Callable[[str], Path | None]  # from a SHA-256 to where a file with it lies already


class PackageUpload:
    """Takes packages in and throws them out; the role has checked who asks."""

    def __init__(self, store: PackageStore) -> None:
        self._store = store

    async def put(self, request: web.Request, text: str) -> web.Response:
        """201: the package is here now; 200: it was here already.

        Raises:
            UnsafePath: the package's name, or one inside it, is not one we make.
            MalformedMessage: no hash is announced, or the body is no tar.
            ContentHashMismatch: the content is not the announced one.
        """
        name = package_name(text)
        announced = request.headers.get(HASH_HEADER, "").upper()
        if not announced:
            raise MalformedMessage(f"the header {HASH_HEADER} is missing")
        try:
            with self._store.staging() as folder:
                await _receive(request, folder / "package.tar")
                archive, content = folder / "package.tar", folder / "content"
                files = await asyncio.to_thread(unpack, archive, content, self._store.same_file)
                found = package_hash((file.path, file.size, file.sha256) for file in files)
                if found.upper() != announced:
                    raise ContentHashMismatch(f"{name}: announced {announced}, found {found}")
                archive.unlink()
                new = self._store.publish(name, folder, found, files)
        except OSError as exc:
            if isinstance(exc, ConnectionError):
                raise
            reason = f"{name}: the package cannot be written ({exc.strerror}); try again later\n"
            raise web.HTTPInsufficientStorage(text=reason) from exc
        await self._store.clear()
        return web.Response(status=HTTPStatus.CREATED if new else HTTPStatus.OK, text=f"{name} {found}\n")

    async def delete(self, text: str) -> web.Response:
        self._store.remove(package_name(text))
        await self._store.clear()
        return web.Response(status=HTTPStatus.NO_CONTENT)


async def _receive(request: web.Request, path: Path) -> None:
    with path.open("wb") as file:
        async for chunk in request.content.iter_chunked(_CHUNK):
            await asyncio.to_thread(file.write, chunk)


def unpack(archive: Path, content: Path, same_file: SameFile) -> list[StoredFile]:
    """Write the members of a tar below ``content``, synced, and say what they are.

    A file that is on disk already, byte for byte, becomes another name of that one.

    Folders and plain files only: a link or a device has no place in a package, and a name that
    leaves its folder is refused before anything is written under it.

    Raises:
        UnsafePath: a member is none of these.
        MalformedMessage: the tar is damaged, or names a file twice.
    """
    content.mkdir()
    files = []
    unsynced = []
    folders = set()
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.name in ("", "."):
                    continue
                path = safe_relative(_text(member.name))
                target = content / path
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                elif member.isreg() and not member.issparse():
                    if path.parent not in folders:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        folders.add(path.parent)
                    modified = max(0, int(member.mtime))
                    sha256 = _write_member(tar, member, target)
                    held = same_file(sha256)
                    if held is None or not _linked(held, target):
                        os.utime(target, (modified, modified))
                        unsynced.append(target)
                    files.append(StoredFile(path.as_posix(), member.size, sha256, modified))
                else:
                    raise UnsafePath(f"{member.name!r} is neither a plain file nor a folder")
    except tarfile.TarError as exc:
        raise MalformedMessage(f"the package is not a whole tar ({exc})") from exc
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise MalformedMessage(f"the package names {exc.filename} twice") from exc
    _sync(unsynced)
    _sync([Path(folder) for folder, _, _ in os.walk(content)])
    return files


def _sync(paths: list[Path]) -> None:
    """The disk takes several requests at a time, and then needs half as long for ten thousand files."""

    def some(first: int) -> None:
        for path in paths[first::SYNCING]:
            sync_to_disk(path)

    with ThreadPoolExecutor(SYNCING) as pool:
        list(pool.map(some, range(SYNCING)))


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as exc:  # bytes that are no UTF-8 have no URL either
        raise UnsafePath(f"{name!r} is no UTF-8") from exc
    return name


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    digest, written = hashlib.sha256(), 0
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    with source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            written += file.write(chunk)
        if written != member.size:
            raise MalformedMessage(f"the package ends inside {member.name!r}")
    return digest.hexdigest().upper()


def _linked(held: Path, target: Path) -> bool:
    """Make a file another name of one that is held; False where that one is damaged, or cannot be shared."""
    link = target.with_name(f".{uuid.uuid4().hex}")
    try:
        if not filecmp.cmp(held, target, shallow=False):
            return False
        link.hardlink_to(held)
        link.replace(target)
    except OSError:  # removed meanwhile, no more links allowed, or a file system without them
        link.unlink(missing_ok=True)
        return False
    return True
