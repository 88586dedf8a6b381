"""Which file is held by which packages, by hash: what makes one copy on disk enough.

The copies themselves are hard links, so the file system counts the references, and a package that is
deleted takes with it only what nobody else holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.distribution_point.package_store import StoredFile, StoredPackage


class FileLibrary:
    """An index of the packages on this distribution point, kept as they come and go."""

    PREFIX = 4  # hexadecimal digits that name a folder of FileLib

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, dict[str, tuple[StoredPackage, StoredFile]]]] = {}

    def add(self, package: StoredPackage) -> None:
        for file in package.files:
            folder = self._folders.setdefault(file.sha256[: self.PREFIX], {})
            folder.setdefault(file.sha256, {})[package.name] = (package, file)

    def remove(self, package: StoredPackage) -> None:
        for file in package.files:
            folder = self._folders.get(file.sha256[: self.PREFIX], {})
            holders = folder.get(file.sha256, {})
            holders.pop(package.name, None)
            if not holders:
                folder.pop(file.sha256, None)
            if not folder:
                self._folders.pop(file.sha256[: self.PREFIX], None)

    def holders(self, sha256: str) -> list[tuple[StoredPackage, StoredFile]]:
        """The packages that hold a file, each with its name for it; empty when none does."""
        return list(self._folders.get(sha256[: self.PREFIX], {}).get(sha256, {}).values())

    def prefixes(self) -> list[str]:
        return sorted(self._folders)

    def below(self, prefix: str) -> list[str]:
        """The hashes in one folder."""
        return sorted(self._folders.get(prefix, ()))
