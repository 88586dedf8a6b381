"""Content is known by hashes: SHA-256 of each file, and one over the whole package.

The package hash covers sorted lines of path, size and file hash, so that a file missing,
renamed, added or changed shows. Site server, distribution point and client count it alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emulator.errors import UnsafePath

_CHUNK = 1024 * 1024
MAX_NAME = 255  # bytes; no file system here takes a longer name


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a package; the path is relative, with forward slashes."""

    path: str
    size: int
    sha256: str  # upper hex


def hash_file(path: Path) -> str:
    """SHA-256 of a file, upper hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest().upper()


def package_hash(files: Iterable[tuple[str, int, str]]) -> str:
    """The hash of a package from (path, size, SHA-256) of its files."""
    lines = sorted(f"{path}\n{size}\n{sha256.upper()}\n" for path, size, sha256 in files)
    # A name that is no UTF-8 counts as the bytes the file system holds.
    text = "".join(lines).encode("utf-8", "surrogateescape")
    return f"SHA256:{hashlib.sha256(text).hexdigest().upper()}"


def hash_folder(folder: Path) -> tuple[str, list[FileEntry]]:
    """The package hash of a folder and its files, sorted by path; links are not followed."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            files.append(FileEntry(name, path.stat().st_size, hash_file(path)))
    return package_hash((f.path, f.size, f.sha256) for f in files), files


def safe_relative(path: str) -> PurePosixPath:
    """A relative path that stays inside its folder.

    Raises:
        UnsafePath: absolute, empty, with '..', a drive, a backslash, a control character
            or a name too long.
    """
    pure = PurePosixPath(path)
    if (
        not path
        or pure.is_absolute()
        or ".." in path.split("/")
        or "\\" in path
        or ":" in path
        or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in path)
        or any(len(name.encode()) > MAX_NAME for name in pure.parts)
        or pure == PurePosixPath(".")
    ):
        raise UnsafePath(f"{path!r} leaves its folder, or is no relative path")
    return pure
