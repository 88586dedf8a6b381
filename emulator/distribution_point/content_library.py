"""The content library as it is read over HTTP: packages, ``Datalib``, ``FileLib`` and ``PkgLib``.

Every package can be read by its own name, which is what clients do. Beside that the product keeps a
library: ``PkgLib`` names the content of each package, ``Datalib`` has an INI text with hash and size for
each file, and ``FileLib`` has each file once, under its hash. Here the INI texts are made from the
package's index when they are read; the bytes are those of the package store (wire.md 11.2, 11.3).

What an INI holds beside ``Hash``, ``Size``, ``Attributes``, ``TimeModified`` and ``HashAlgorithm`` is not
documented: chosen by us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from emulator.distribution_point.package_store import PackageStore, StoredFile, StoredFolder, StoredPackage
from emulator.distribution_point.resource import Resource, text_file
from emulator.errors import ObjectNotFound

SHA_256 = 32780  # CALG_SHA_256, the content hash algorithm of later releases
ARCHIVE = 32  # FILE_ATTRIBUTE_ARCHIVE
_1601 = 11_644_473_600  # seconds from the epoch of FILETIME to 1970
INI = ".INI"


class ContentLibrary:
    """What lies below ``SMS_DP_SMSPKG$``."""

    def __init__(self, store: PackageStore) -> None:
        self._store = store
        self._libraries: dict[str, Callable[[str], Resource]] = {
            "datalib": self._datalib,
            "filelib": self._filelib,
            "pkglib": self._pkglib,
        }

    def find(self, path: str) -> Resource:
        """The resource at a path that is relative and safe; names have no case.

        Raises:
            ObjectNotFound: there is nothing.
        """
        first, _, inside = path.partition("/")
        if not first:
            return Resource("", self._modified(), children=self._packages)
        if library := self._libraries.get(first.lower()):
            return library(inside)
        if not inside and _is_ini(first):
            return self._datalib(first)  # the directory's listing of Datalib leads here
        package = self._store.package(first)
        if file := package.file(inside):
            return file_resource(package, file)
        return folder_resource(package, package.folder_at(inside))

    def _modified(self) -> int:
        return max((package.modified for package in self._store), default=0)

    def _packages(self) -> Iterator[Resource]:
        for package in self._store:
            yield folder_resource(package, package.folder_at(""))

    # -- Datalib -------------------------------------------------------------------------

    def _datalib(self, path: str) -> Resource:
        name, _, inside = path.partition("/")
        if not name:
            return Resource("Datalib", self._modified(), children=self._datalib_children)
        if not inside and _is_ini(name):
            return package_ini(self._store.package(name[: -len(INI)]))
        package = self._store.package(name)
        if _is_ini(inside) and (file := package.file(inside[: -len(INI)])):
            return file_ini(file)
        return _ini_folder(package, package.folder_at(inside))

    def _datalib_children(self) -> Iterator[Resource]:
        for package in self._store:
            yield _ini_folder(package, package.folder_at(""))
            yield package_ini(package)

    # -- FileLib -------------------------------------------------------------------------

    def _filelib(self, path: str) -> Resource:
        library = self._store.file_library
        prefix, _, name = path.upper().partition("/")
        if not prefix:
            return Resource("FileLib", self._modified(), children=self._filelib_children)
        if not name:
            if not library.below(prefix):
                raise ObjectNotFound(f"no file's hash begins with {prefix}")
            return self._filelib_folder(prefix)
        sha256 = name.removesuffix(INI)
        holders = library.holders(sha256)
        if not holders or not sha256.startswith(prefix) or len(prefix) != library.PREFIX:
            raise ObjectNotFound(f"no file here has the hash {sha256}")
        return _references(sha256, holders) if name.endswith(INI) else _by_hash(sha256, holders)

    def _filelib_children(self) -> Iterator[Resource]:
        for prefix in self._store.file_library.prefixes():
            yield self._filelib_folder(prefix)

    def _filelib_folder(self, prefix: str) -> Resource:
        def children() -> Iterator[Resource]:
            for sha256 in self._store.file_library.below(prefix):
                holders = self._store.file_library.holders(sha256)
                yield _by_hash(sha256, holders)
                yield _references(sha256, holders)

        return Resource(prefix, self._modified(), children=children)

    # -- PkgLib --------------------------------------------------------------------------

    def _pkglib(self, path: str) -> Resource:
        if not path:
            return Resource("PkgLib", self._modified(), children=self._pkglib_children)
        wanted = path.upper()
        found = next((ini for ini in self._pkglib_children() if ini.name == wanted), None)
        if found is None:
            raise ObjectNotFound(f"PkgLib has no {path}")
        return found

    def _pkglib_children(self) -> Iterator[Resource]:
        contents: dict[str, list[StoredPackage]] = {}
        for package in self._store:
            contents.setdefault(package.package_id, []).append(package)
        for package_id, versions in contents.items():
            lines = "".join(f"{package.name}=\r\n" for package in versions)
            modified = max(package.modified for package in versions)
            yield text_file(f"{package_id}{INI}", modified, f"[Packages]\r\n{lines}".encode())


def file_resource(package: StoredPackage, file: StoredFile) -> Resource:
    name = file.path.rpartition("/")[2]
    return Resource(name, file.modified, file.size, file.sha256.lower(), package.location(file))


def folder_resource(package: StoredPackage, folder: StoredFolder) -> Resource:
    """A folder of a package, with what it holds; the package itself bears its own name."""

    def children() -> Iterator[Resource]:
        for below in folder.folders:
            yield folder_resource(package, below)
        for file in folder.files:
            yield file_resource(package, file)

    return Resource(folder.name or package.name, folder.modified, children=children)


def _ini_folder(package: StoredPackage, folder: StoredFolder) -> Resource:
    def children() -> Iterator[Resource]:
        for below in folder.folders:
            yield _ini_folder(package, below)
        for file in folder.files:
            yield file_ini(file)

    return Resource(folder.name or package.name, folder.modified, children=children)


def file_ini(file: StoredFile) -> Resource:
    """What ``Datalib`` says of one file."""
    values = {
        "Size": file.size,
        "Attributes": ARCHIVE,
        "TimeModified": (file.modified + _1601) * 10_000_000,  # FILETIME
        "Hash": file.sha256,
        "HashAlgorithm": SHA_256,
    }
    lines = "".join(f"{key}={value}\r\n" for key, value in values.items())
    return text_file(f"{file.path.rpartition('/')[2]}{INI}", file.modified, f"[File]\r\n{lines}".encode())


def package_ini(package: StoredPackage) -> Resource:
    """What ``Datalib`` says of one version of a package."""
    values = {
        "PackageID": package.package_id,
        "Version": package.version,
        "Files": len(package.files),
        "Size": sum(file.size for file in package.files),
        "Hash": package.package_hash,
    }
    lines = "".join(f"{key}={value}\r\n" for key, value in values.items())
    return text_file(f"{package.name}{INI}", package.modified, f"[Content]\r\n{lines}".encode())


def _by_hash(sha256: str, holders: list[tuple[StoredPackage, StoredFile]]) -> Resource:
    package, file = holders[0]
    return Resource(sha256, file.modified, file.size, sha256.lower(), package.location(file))


def _references(sha256: str, holders: list[tuple[StoredPackage, StoredFile]]) -> Resource:
    """Which packages need the file."""
    lines = "".join(f"{package.name}=\r\n" for package, _ in holders)
    return text_file(f"{sha256}{INI}", holders[0][1].modified, f"[Packages]\r\n{lines}".encode())


def _is_ini(name: str) -> bool:
    return name[-len(INI) :].upper() == INI
