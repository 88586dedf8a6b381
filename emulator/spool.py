"""A folder of files that survives a crash: outboxes, inboxes, the client's queue.

A file counts as put only after write, fsync, rename and fsync of the folder, so whoever
acknowledges after ``put`` acknowledges what is on disk. Names carry a sequence number:
files leave in the order in which they came, across restarts too.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import CannotStart, UnsafePath
from emulator.to_the_end import to_the_end

_KEY = re.compile(r"[A-Za-z0-9_-]{1,120}")


@dataclass(frozen=True, slots=True, order=True)
class SpoolEntry:
    """One file of a spool."""

    sequence: int
    key: str
    path: Path

    def read(self) -> bytes:
        return self.path.read_bytes()


class Spool:
    """Files of one folder, oldest first, each known by a key."""

    def __init__(self, folder: Path, suffix: str = ".msg") -> None:
        self.folder = folder
        self.suffix = suffix
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("*.tmp"):
                leftover.unlink(missing_ok=True)  # never acknowledged: the writer died before the rename
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc
        self._entries = {e.key: e for e in sorted(self._scan())}
        self._sequence = max((e.sequence for e in self._entries.values()), default=0)
        self._lock = asyncio.Lock()
        self.arrived = asyncio.Event()  # set while at least one file is held
        if self._entries:
            self.arrived.set()

    def _scan(self) -> list[SpoolEntry]:
        found = []
        for path in self.folder.glob(f"*{self.suffix}"):
            number, _, key = path.name[: -len(self.suffix)].partition("-")
            if number.isdigit() and key:
                found.append(SpoolEntry(int(number), key, path))
        return found

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def entries(self) -> list[SpoolEntry]:
        """What is held, oldest first."""
        return list(self._entries.values())

    def oldest(self, most: int) -> list[SpoolEntry]:
        """The oldest of what is held."""
        return list(itertools.islice(self._entries.values(), most))

    async def put(self, key: str, content: bytes) -> SpoolEntry:
        """Keep ``content`` durably; a key that is already held is left as it is.

        Raises:
            UnsafePath: the key is no plain file name.
            OSError: the disk refused (nothing is kept then).
        """
        return (await self.put_all([(key, content)]))[0]

    async def put_all(self, files: Sequence[tuple[str, bytes]]) -> list[SpoolEntry]:
        """Keep several files durably, in this order, with one sync of the folder for all of them.

        Raises:
            UnsafePath: a key is no plain file name; nothing is kept.
            OSError: the disk refused; the files before the one it refused are kept.
        """
        for key, _ in files:
            if not _KEY.fullmatch(key):
                raise UnsafePath(f"{key!r} is not a plain name of letters, digits, '-' and '_'")
        # Who gives up waiting must not leave a file on the disk that is not among the entries, nor a thread
        # that still writes where he may want to tidy up.
        return await to_the_end(self._put_all(files))

    async def _put_all(self, files: Sequence[tuple[str, bytes]]) -> list[SpoolEntry]:
        async with self._lock:
            # Looked up now: what is held already may have gone its way before the new files are written.
            held: dict[str, SpoolEntry] = {}
            new: dict[str, tuple[SpoolEntry, bytes]] = {}
            for key, content in files:
                if key in self._entries:
                    held[key] = self._entries[key]
                elif key not in new:
                    sequence = self._sequence + len(new) + 1
                    path = self.folder / f"{sequence:012d}-{key}{self.suffix}"
                    new[key] = SpoolEntry(sequence, key, path), content
            written: list[SpoolEntry] = []
            if new:
                try:
                    await asyncio.to_thread(_write_in_order, list(new.values()), written)
                finally:
                    for entry in written:
                        self._sequence = entry.sequence
                        self._entries[entry.key] = entry
                    if written:
                        self.arrived.set()
            return [held[key] if key in held else new[key][0] for key, _ in files]

    def remove(self, entry: SpoolEntry) -> None:
        """Forget a file whose content has arrived where it was going."""
        entry.path.unlink(missing_ok=True)
        self._forget(entry)

    async def remove_all(self, entries: Sequence[SpoolEntry]) -> None:
        """Forget several files; the disk is waited for beside other work."""
        await asyncio.to_thread(_unlink, entries)
        for entry in entries:
            self._forget(entry)

    def quarantine(self, entry: SpoolEntry, subfolder: str, reason: str) -> Path:
        """Move a file that can never be processed aside, with the reason beside it."""
        aside = self.folder / subfolder
        aside.mkdir(parents=True, exist_ok=True)
        target = aside / entry.path.name
        (aside / f"{entry.path.name}.reason.txt").write_text(reason + "\n", encoding="utf-8")
        entry.path.replace(target)
        self._forget(entry)
        return target

    def _forget(self, entry: SpoolEntry) -> None:
        self._entries.pop(entry.key, None)
        if not self._entries:
            self.arrived.clear()

    async def wait(self) -> None:
        """Return when at least one file is held."""
        await self.arrived.wait()


def is_held(name: str) -> bool:
    """Whether a file of this name counts as put."""
    number, dash, _ = name.partition("-")
    return bool(dash) and number.isdigit() and not name.endswith(".tmp")


def _write_in_order(files: Sequence[tuple[SpoolEntry, bytes]], written: list[SpoolEntry]) -> None:
    """Write each file as ``write_durably`` does; those that are on disk are added to ``written``."""
    renamed: list[SpoolEntry] = []
    try:
        for entry, content in files:
            _replace_synced(entry.path, content)
            renamed.append(entry)
    finally:
        if renamed:
            _sync_folder(renamed[0].path.parent)
            written += renamed


def _unlink(entries: Sequence[SpoolEntry]) -> None:
    for entry in entries:
        entry.path.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that after a crash it is either the old one or the new one, whole."""
    _replace_synced(path, content)
    _sync_folder(path.parent)


def _replace_synced(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
