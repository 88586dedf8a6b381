"""Software inventory: the files a computer has.

The machine's row, the order of reports and resyncs are those of ``inventory.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from emulator.site_database.database import Session


@dataclass(frozen=True, slots=True)
class File:
    """One file of a computer."""

    path: str
    name: str
    version: str = ""
    size: int = 0  # bytes
    modified: str = ""
    product: str = ""
    company: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.path, self.name


async def replace_files(session: Session, machine_id: int, files: Sequence[File]) -> None:
    """A full report: these files and no others."""
    await session.execute("software_remove_all", machine_id)
    await _store(session, machine_id, files)


async def apply_delta(
    session: Session, machine_id: int, stored: Sequence[File], deleted: Sequence[File]
) -> list[tuple[str, str]]:
    """A delta: files that are new or changed, and files that are gone.

    Returns the deleted files that the site does not have; if there are any, nothing is applied.
    """
    if not deleted:
        await _store(session, machine_id, stored)
        return []
    paths, names = [f.path for f in deleted], [f.name for f in deleted]
    held = {
        (row["path"], row["name"]) for row in await session.fetch("software_held", machine_id, paths, names)
    }
    missing = sorted({f.key for f in deleted} - held)
    if missing:
        return missing
    await session.execute("software_remove", machine_id, paths, names)
    await _store(session, machine_id, stored)
    return []


async def _store(session: Session, machine_id: int, files: Iterable[File]) -> None:
    last = {f.key: f for f in files}  # of two about one file the later counts
    if last:
        columns = zip(*map(astuple, last.values()), strict=True)
        await session.execute("software_store", machine_id, *map(list, columns))
