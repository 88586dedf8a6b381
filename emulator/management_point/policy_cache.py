"""The policy body cache: a body once served is served again without the database.

On disk, one file per policy id and version, so it survives a restart of the management point.
A version never changes its body, so nothing is ever refreshed or expired (what a real
management point does about lifetime and size is not documented; this is our choice).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from emulator.errors import CannotStart
from emulator.logs import get_logger
from emulator.protocol.policy import PolicyVersion
from emulator.spool import write_durably

_LONGEST_NAME = 200
_IN_MEMORY = 256  # bodies
_LARGEST_IN_MEMORY = 64 * 1024  # bytes of one of them


class PolicyCache:
    """A folder of policy bodies."""

    log = get_logger("MP_PolicyManager")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recent: dict[PolicyVersion, bytes] = {}  # the same bytes as on disk, read a moment ago
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("*.tmp"):
                leftover.unlink()
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc

    def _path(self, policy: PolicyVersion) -> Path | None:
        # Ids come from strangers too; quoted, they are plain file names on every system.
        name = quote(f"{policy.policy_id}.{policy.version}".upper(), safe="{}")
        return self._folder / f"{name}.xml" if len(name) <= _LONGEST_NAME else None

    def get(self, policy: PolicyVersion) -> bytes | None:
        body = self._recent.get(policy)
        if body is not None:
            return body
        path = self._path(policy)
        try:
            body = path.read_bytes() if path else None
        except OSError:
            return None
        if body is not None and len(body) <= _LARGEST_IN_MEMORY:
            if len(self._recent) >= _IN_MEMORY:
                del self._recent[next(iter(self._recent))]
            self._recent[policy] = body
        return body

    async def put(self, policy: PolicyVersion, body: bytes) -> None:
        """Keep a body; a disk that refuses costs only the cache, the body is served all the same."""
        path = self._path(policy)
        if path is None:
            return
        try:
            await asyncio.to_thread(write_durably, path, body)
        except OSError as exc:
            self.log.warning("policy body not cached", policy=policy.policy_id, reason=str(exc))
