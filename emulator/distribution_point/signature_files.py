"""``SMS_DP_SMSSIG$/<PackageID>.<version>.tar``: the signatures of a package's files.

Not a tar, in spite of its name. Known is only how public clients find file names in it: each name,
with backslashes and a NUL behind it, begins 512 bytes before the bytes of a marker (wire.md 11.4). What
follows the marker is not documented; here it is the file's size and its SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator.distribution_point.package_store import PackageStore, StoredPackage
from emulator.distribution_point.resource import Resource, text_file
from emulator.errors import ObjectNotFound

MARKER = bytes.fromhex("18 00 00 00 01 00 01 00 01 00 01")
BLOCK = 512
END = ".tar"


class SignatureFiles:
    """What lies below ``SMS_DP_SMSSIG$``."""

    def __init__(self, store: PackageStore) -> None:
        self._store = store

    def find(self, path: str) -> Resource:
        """The signature file at a path, or the folder of all of them for an empty one.

        Raises:
            ObjectNotFound: there is nothing.
        """
        if not path:
            modified = max((package.modified for package in self._store), default=0)
            return Resource("", modified, children=self._all)
        if path[-len(END) :].lower() != END:
            raise ObjectNotFound(f"{path}: there are only files ending in {END}")
        return signature_file(self._store.package(path[: -len(END)]))

    def _all(self) -> Iterator[Resource]:
        for package in self._store:
            yield signature_file(package)


def signature_file(package: StoredPackage) -> Resource:
    """The signatures of one package."""
    parts = []
    for file in package.files:
        name = file.path.replace("/", "\\").encode() + b"\0"
        record = name + bytes(-len(name) % BLOCK) + MARKER
        record += file.size.to_bytes(8, "little") + bytes.fromhex(file.sha256)
        parts.append(record + bytes(-len(record) % BLOCK))
    return text_file(f"{package.name}{END}", package.modified, b"".join(parts))
