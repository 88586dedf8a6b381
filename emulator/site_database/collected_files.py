"""Collected files: copies of files of client computers, each collection a revision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from emulator.protocol.file_collection import CollectedFile
from emulator.site_database.database import Session


async def store(session: Session, machine_id: int, files: Sequence[CollectedFile], time: datetime) -> None:
    """Keep the files of one report, each as the newest revision of its path and name."""
    for file in files:
        await session.execute(
            "collected_file_store",
            machine_id,
            file.path,
            file.name,
            file.size,
            file.modified,
            time,
            file.content,
        )
