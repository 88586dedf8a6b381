"""The client's cache folder: whole packages by id, version and hash, and unfinished ones.

``<package>.<version>.<hash>/content`` is a package, published by one rename with its
``cached.json`` already beside it; ``....part`` is a download under way. There is no index
to disagree with the folders. Rules of client.md section 4: content goes only when room is
needed and only until there is enough; content last used less than a day ago stays; content
that no policy names goes before content that one does; persistent content never goes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clients.journal import Journal
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.errors import CacheFull, CacheTooSmall
from emulator.spool import write_durably

_DETAILS = "cached.json"


@dataclass(frozen=True, slots=True)
class ContentKey:
    """Which content: a package at a version, with the hash the policy announced."""

    package_id: str
    version: int
    source_hash: str

    @property
    def folder_name(self) -> str:
        digest = self.source_hash.rpartition(":")[2]
        name = f"{self.package_id}.{self.version}.{digest[:16] or 'nohash'}"
        return "".join(c if c.isalnum() or c in ".-_" else "_" for c in name)


@dataclass(frozen=True, slots=True)
class CachedPackage:
    """A package in the cache."""

    package_id: str
    version: int
    source_hash: str
    size: int  # bytes
    last_referenced: float  # site time, seconds since 1970
    persist: bool
    folder: Path  # its files

    @property
    def key(self) -> ContentKey:
        return ContentKey(self.package_id, self.version, self.source_hash)


class ContentCache:
    """What lies in the cache folder, and what may be thrown out of it."""

    def __init__(self, settings: ClientSettings, clock: Clock, journal: Journal) -> None:
        self._folder = settings.data / "cache"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._size = settings.cache_bytes
        self._tombstone = settings.cache_tombstone_minutes * 60.0
        self._max_age = settings.cache_max_minutes * 60.0
        self._clock = clock
        self._journal = journal
        self._packages: dict[ContentKey, CachedPackage] = {}
        # Content a policy in force names; the client sets it. Referenced content goes last.
        self.referenced: Callable[[], set[tuple[str, int]]] = set
        for details in self._folder.glob(f"*/{_DETAILS}"):
            if details.parent.suffix != ".part":
                value = json.loads(details.read_text(encoding="utf-8"))
                package = CachedPackage(**value, folder=details.parent / "content")
                self._packages[package.key] = package

    def packages(self) -> list[CachedPackage]:
        return list(self._packages.values())

    def get(self, key: ContentKey) -> CachedPackage | None:
        """The package with this id, version and hash; asks nobody."""
        return self._packages.get(key)

    def touch(self, package: CachedPackage) -> CachedPackage:
        """The package was used now."""
        touched = replace(package, last_referenced=self._clock.time())
        self._write(touched, package.folder.parent)
        self._packages[package.key] = touched
        return touched

    # -- downloads -----------------------------------------------------------------

    def staging(self, key: ContentKey) -> Path:
        """Where this content's unfinished download lies; kept across restarts."""
        return self._folder / f"{key.folder_name}.part"

    def stagings(self) -> list[Path]:
        return list(self._folder.glob("*.part"))

    def publish(self, key: ContentKey, size: int, persist: bool) -> CachedPackage:
        """Make a verified download part of the cache, by one rename."""
        staging = self.staging(key)
        target = self._folder / key.folder_name
        package = CachedPackage(
            key.package_id,
            key.version,
            key.source_hash,
            size,
            self._clock.time(),
            persist,
            target / "content",
        )
        self._write(package, staging)
        for folder in (staging / "content", *(p for p in (staging / "content").rglob("*") if p.is_dir())):
            _sync_folder(folder)
        if target.exists():
            shutil.rmtree(target)  # left by a removal that was killed half-way
        staging.rename(target)
        _sync_folder(self._folder)
        self._packages[key] = package
        return package

    @staticmethod
    def _write(package: CachedPackage, folder: Path) -> None:
        value = asdict(package)
        del value["folder"]
        write_durably(folder / _DETAILS, json.dumps(value).encode())

    # -- room ----------------------------------------------------------------------

    def used(self) -> int:
        """Bytes of packages and unfinished downloads."""
        unfinished = sum(
            file.stat().st_size
            for staging in self.stagings()
            for file in staging.rglob("*")
            if file.is_file()
        )
        return unfinished + sum(package.size for package in self._packages.values())

    def make_room(self, key: ContentKey, size: int) -> None:
        """Throw out what may go until ``size`` bytes more fit.

        Raises:
            CacheTooSmall: they never will (status message 10050).
            CacheFull: they do not now.
        """
        if size > self._size:
            raise CacheTooSmall(
                f"package {key.package_id} has {size} bytes, the whole cache {self._size}; it is not retried"
            )
        done = sum(f.stat().st_size for f in self.staging(key).rglob("*") if f.is_file())
        for victim in self._evictable():
            if self.used() - done + size <= self._size:
                return
            self.remove(victim, "room is needed")
        used = self.used() - done
        if used + size > self._size:
            raise CacheFull(f"package {key.package_id} needs {size} bytes; {used} of {self._size} are in use")

    def _evictable(self) -> list[CachedPackage]:
        now, referenced = self._clock.time(), self.referenced()
        free: list[CachedPackage] = []
        named: list[CachedPackage] = []
        for package in sorted(self._packages.values(), key=lambda p: p.last_referenced):
            age = now - package.last_referenced
            is_named = (package.package_id, package.version) in referenced
            if package.persist or age < (self._max_age if is_named else self._tombstone):
                continue
            (named if is_named else free).append(package)
        return free + named

    def remove(self, package: CachedPackage, reason: str) -> None:
        """Throw a package out."""
        folder = package.folder.parent
        # Without its details the folder is no package any more, should the rest be interrupted.
        (folder / _DETAILS).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        self._packages.pop(package.key, None)
        self._journal.note(
            "cache_removed", package_id=package.package_id, version=package.version, reason=reason
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
