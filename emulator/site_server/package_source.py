"""Package source: what a package's source folder held when a version was taken from it.

The distribution manager sends this snapshot, not the folder itself, so that every distribution
point gets the same files whenever it is reached, and the announced hash is theirs.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import ConfigMgrError
from emulator.protocol.content import hash_folder


class SourceUnreadable(ConfigMgrError):
    """The package's source folder cannot be read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a package's files on the site server."""

    folder: Path
    package_hash: str
    size: int  # bytes of all files


class PackageSource:
    """Keeps one snapshot for each package, the newest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def take(self, package_id: str, version: int, source: Path) -> Snapshot:
        """Copy the source folder, and hash the copy.

        Raises:
            SourceUnreadable: it is not there, or a file of it cannot be read.
        """
        return await asyncio.to_thread(self._take, package_id, version, source)

    async def find(self, package_id: str, version: int) -> Path | None:
        """The snapshot's folder, if this version was taken and kept."""
        folder = self._place(package_id, version)
        return folder if folder.is_dir() else None

    async def keep_only(self, package_id: str, version: int | None) -> None:
        """Drop the package's other snapshots; all of them for None."""
        await asyncio.to_thread(self._keep_only, package_id, version)

    def _place(self, package_id: str, version: int) -> Path:
        return self.folder / f"{package_id}.{version}"

    def _take(self, package_id: str, version: int, source: Path) -> Snapshot:
        place = self._place(package_id, version)
        staging = place.with_suffix(f".{version}.tmp")
        try:
            for leftover in (staging, place):
                if leftover.exists():
                    shutil.rmtree(leftover)
            if not source.is_dir():
                raise SourceUnreadable(f"{source}: there is no such folder")
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, staging)
            package_hash, files = hash_folder(staging)
            staging.replace(place)
        except (OSError, shutil.Error) as exc:
            raise SourceUnreadable(f"{source}: the folder cannot be copied ({exc})") from exc
        return Snapshot(place, package_hash, sum(file.size for file in files))

    def _keep_only(self, package_id: str, version: int | None) -> None:
        for folder in self.folder.glob(f"{package_id}.*"):
            if version is None or folder.name != f"{package_id}.{version}":
                shutil.rmtree(folder, ignore_errors=True)
