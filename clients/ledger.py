"""One agent's memory: a small JSON document that is either the old one or the new one, whole.

Writes are done at once, not in a thread: a task that is cancelled, or a process that is
killed, has then either kept a change or not begun it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from emulator.errors import CannotStart
from emulator.spool import write_durably


class Ledger:
    """A JSON object on disk; change ``value``, then ``save()``."""

    def __init__(self, path: Path, **initial: Any) -> None:
        self._path = path
        self.lock = asyncio.Lock()  # for changes that take more than one step
        self.value: dict[str, Any] = dict(initial)
        self._written = b""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self.value |= json.loads(path.read_text(encoding="utf-8"))
        except OSError as exc:
            raise CannotStart(f"{path}: cannot be read or written ({exc.strerror})") from exc
        except ValueError as exc:
            raise CannotStart(f"{path}: is not what this client wrote ({exc})") from exc

    def __getitem__(self, key: str) -> Any:
        return self.value[key]

    def save(self, **changes: Any) -> None:
        """Keep the document durably, with these changes; returns when it is on disk.

        What is there already is not written again: most polls bring nothing new.
        """
        self.value |= changes
        document = json.dumps(self.value, indent=1).encode()
        if document != self._written:
            write_durably(self._path, document)
            self._written = document
