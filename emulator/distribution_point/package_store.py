"""Packages on this distribution point: each is there whole, with its hashes, or not at all.

A package lives in ``packages/<PackageID>.<version>/``: ``content/`` and ``index.json``. It is
made in ``staging/`` and gets its name by one rename, after everything in it was synced. What
lies in ``staging/`` when the role starts was never acknowledged, with one exception: a version
that was moved aside to be replaced is put back if its successor did not make it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from emulator.distribution_point.file_library import FileLibrary
from emulator.errors import CannotStart, ObjectNotFound, UnsafePath
from emulator.spool import write_durably

# Site code and five hexadecimal digits, a dot, PKG_SourceVersion.
_NAME = re.compile(r"[A-Z0-9]{3}[0-9A-F]{5}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as it arrived: its hash is what it was then, whatever the disk says now."""

    path: str  # relative, with slashes
    size: int
    sha256: str  # upper hex
    modified: int  # seconds since 1970


@dataclass(slots=True)
class StoredFolder:
    """One folder of a package, and what lies directly in it."""

    path: str  # relative, with slashes; empty for the package itself
    modified: int = 0  # of the newest file below it
    folders: list[StoredFolder] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class StoredPackage:
    """One version of one package."""

    name: str
    folder: Path
    package_hash: str
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    _files: dict[str, StoredFile] = field(default_factory=dict, compare=False, repr=False)
    _folders: dict[str, StoredFolder] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        exact = {"": StoredFolder("")}
        for path in sorted(self.folders):
            exact[path] = StoredFolder(path)
            exact[path.rpartition("/")[0]].folders.append(exact[path])
        for file in self.files:
            above = file.path.rpartition("/")[0]
            exact[above].files.append(file)
            while exact[above].modified < file.modified:
                exact[above].modified = file.modified
                above = above.rpartition("/")[0]
        # Windows clients do not mind the case of a name; where two differ by it, the exact one wins.
        self._files.update((file.path.casefold(), file) for file in reversed(self.files))
        self._files.update((file.path, file) for file in self.files)
        self._folders.update((path.casefold(), folder) for path, folder in exact.items())
        self._folders.update(exact)

    @property
    def package_id(self) -> str:
        return self.name.partition(".")[0]

    @property
    def version(self) -> int:
        return int(self.name.partition(".")[2])

    @property
    def modified(self) -> int:
        return self._folders[""].modified

    def file(self, path: str) -> StoredFile | None:
        return self._files.get(path) or self._files.get(path.casefold())

    def folder_at(self, path: str) -> StoredFolder:
        """A folder of the package; the package itself for an empty path.

        Raises:
            ObjectNotFound: it has no such folder.
        """
        folder = self._folders.get(path) or self._folders.get(path.casefold())
        if folder is None:
            raise ObjectNotFound(f"{self.name} has nothing at {path!r}")
        return folder

    def location(self, file: StoredFile) -> Path:
        return self.folder / "content" / file.path


class PackageStore:
    """The folder of packages."""

    def __init__(self, folder: Path) -> None:
        self.packages_folder = folder / "packages"
        self.staging_folder = folder / "staging"
        self.file_library = FileLibrary()
        self.changes = 0  # how often a package came or went
        self._packages: dict[str, StoredPackage] = {}
        self._newest: dict[str, StoredPackage] = {}  # by package id

    def open(self) -> None:
        """Clear away what never arrived and read what is there.

        Raises:
            CannotStart: the folders cannot be written.
        """
        try:
            self.packages_folder.mkdir(parents=True, exist_ok=True)
            self.staging_folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.staging_folder.iterdir():
                name, _, end = leftover.name.rpartition(".")
                if end == "replaced" and not (self.packages_folder / name).exists():
                    leftover.rename(self.packages_folder / name)
                elif leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink()
        except OSError as exc:
            raise CannotStart(f"{exc.filename}: the folder cannot be written ({exc.strerror})") from exc
        found = (read_package(path) for path in sorted(self.packages_folder.iterdir()) if path.is_dir())
        for package in found:
            self._add(package)

    def __iter__(self) -> Iterator[StoredPackage]:
        return iter(self._packages.values())

    def __contains__(self, name: object) -> bool:
        return name in self._packages

    def _add(self, package: StoredPackage) -> None:
        self.changes += 1
        self._packages[package.name] = package
        self.file_library.add(package)
        newest = self._newest.get(package.package_id)
        if newest is None or newest.version <= package.version:
            self._newest[package.package_id] = package

    def _forget(self, package: StoredPackage) -> None:
        self.changes += 1
        del self._packages[package.name]
        self.file_library.remove(package)
        if self._newest[package.package_id] is package:
            del self._newest[package.package_id]
            others = [other for other in self if other.package_id == package.package_id]
            if others:
                self._newest[package.package_id] = max(others, key=lambda other: other.version)

    def package(self, name: str) -> StoredPackage:
        """One package by ``<PackageID>.<version>``, in any case; without a version the newest.

        Raises:
            ObjectNotFound: it is not on this distribution point.
        """
        package = self._packages.get(name) or self._packages.get(name.upper())
        if package is None and "." not in name:
            package = self._newest.get(name.upper())
        if package is None:
            raise ObjectNotFound(f"the package {name} is not on this distribution point")
        return package

    def same_file(self, sha256: str) -> Path | None:
        """Where a file with this hash lies already, if a package here holds it."""
        holders = self.file_library.holders(sha256)
        return holders[0][0].location(holders[0][1]) if holders else None

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to make something in; what is left of it afterwards is thrown away."""
        folder = self.staging_folder / uuid.uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, name: str, staged: Path, package_hash: str, files: Iterable[StoredFile]) -> bool:
        """Give a staged folder (with its synced ``content/``) its name; False when equal content had it.

        Equal content is replaced all the same: a refresh is how an administrator repairs a damaged copy.
        No await in here: a role that is stopped in the middle must not clear away what is being named.

        Raises:
            OSError: the disk refused; nothing has changed then.
        """
        held = self._packages.get(name)
        index = {"package_hash": package_hash, "files": [asdict(file) for file in files]}
        write_durably(staged / "index.json", json.dumps(index, indent=1).encode())
        target, aside = self.packages_folder / name, self.staging_folder / f"{name}.replaced"
        if target.exists():
            target.rename(aside)
        try:
            staged.rename(target)
        except OSError:
            if aside.exists():
                aside.rename(target)
            raise
        sync_to_disk(self.packages_folder)
        if held:
            self._forget(held)
        self._add(read_package(target))
        if aside.exists():
            aside.rename(self._thrown_away())
        return held is None or held.package_hash != package_hash

    def remove(self, name: str) -> None:
        """Take a package off this distribution point.

        Raises:
            ObjectNotFound: it is not here.
        """
        package = self.package(name)
        package.folder.rename(self._thrown_away())
        self._forget(package)
        sync_to_disk(self.packages_folder)

    async def clear(self) -> None:
        """Delete what was thrown away; whoever still reads a file of it keeps that file open."""
        for folder in self.staging_folder.glob("*.removed"):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _thrown_away(self) -> Path:
        return self.staging_folder / f"{uuid.uuid4().hex}.removed"


def package_name(text: str) -> str:
    """The canonical ``<PackageID>.<version>``.

    Raises:
        UnsafePath: it is not one.
    """
    name = text.upper()
    if not _NAME.fullmatch(name):
        raise UnsafePath(f"{text!r} is not <PackageID>.<version>")
    return name


def read_package(folder: Path) -> StoredPackage:
    """Read a published package.

    Raises:
        CannotStart: its index is missing or damaged.
    """
    try:
        index = json.loads((folder / "index.json").read_bytes())
        files = tuple(StoredFile(**file) for file in index["files"])
        package_hash = str(index["package_hash"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CannotStart(f"{folder}: the package's index cannot be read ({exc})") from exc
    content = folder / "content"
    folders = sorted(
        Path(above, name).relative_to(content).as_posix()
        for above, names, _ in os.walk(content)
        for name in names
    )
    return StoredPackage(folder.name, folder, package_hash, files, tuple(folders))


def sync_to_disk(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, survive a crash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
