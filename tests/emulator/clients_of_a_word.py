"""What a site's clients are to a snapshot: something that is saved and loaded."""

from __future__ import annotations

from pathlib import Path


class Clients:
    """A word on disk."""

    def __init__(self) -> None:
        self.state = "before"

    async def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "state").write_text(self.state)

    async def load(self, folder: Path) -> None:
        self.state = (folder / "state").read_text()
