"""Uploads that are under way: one folder each, so that a restart interrupts none.

``head.json`` says what is being uploaded, ``data`` holds what has arrived: its length is the truth, and
its time of change is site time. A fragment is written whole or not at all, as far as a client can
see: what it is told to have arrived is on disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from emulator.clock import Clock
from emulator.errors import (
    CannotStart,
    MalformedMessage,
    MessageTooLarge,
    TooManyUploads,
    UnknownUpload,
)
from emulator.logs import get_logger
from emulator.protocol.bits_upload import Fragment
from emulator.spool import write_durably

IDLE_SECONDS = 14 * 86400.0  # site time; BITS' own limit for a job without progress
MAX_SESSIONS = 1000
_HEAD, _DATA = "head.json", "data"


@dataclass(slots=True)
class Upload:
    """One upload under way."""

    session_id: str
    folder: Path
    name: str  # the path it goes to
    total: int = 0  # bytes; 0 until the first fragment tells
    received: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def complete(self) -> bool:
        return 0 < self.total == self.received

    def content(self) -> bytes:
        return (self.folder / _DATA).read_bytes()


class UploadSessions:
    """All uploads of one management point."""

    log = get_logger("BITS")

    def __init__(self, folder: Path, clock: Clock, max_bytes: int, max_sessions: int = MAX_SESSIONS) -> None:
        self._folder = folder
        self._clock = clock
        self.max_bytes = max_bytes
        self._max_sessions = max_sessions
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._uploads = {
                upload.session_id: upload for upload in map(self._found, folder.iterdir()) if upload
            }
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc

    def _found(self, folder: Path) -> Upload | None:
        """What an earlier life of this role left in a folder."""
        try:
            head = json.loads((folder / _HEAD).read_bytes())
            received = (folder / _DATA).stat().st_size
            return Upload(folder.name, folder, str(head["name"]), int(head["total"]), received)
        except (OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(folder, ignore_errors=True)  # it died before its session was told to anybody
            return None

    def __len__(self) -> int:
        return len(self._uploads)

    async def create(self, name: str) -> Upload:
        """Begin an upload.

        Raises:
            TooManyUploads: as many as this role keeps are under way.
            OSError: the disk refused.
        """
        self.forget_idle()
        if len(self._uploads) >= self._max_sessions:
            raise TooManyUploads(f"{self._max_sessions} uploads are under way; try again later")
        # Not of the site's seed: whoever knows the id may write, and a restart must repeat none.
        session_id = str(uuid.uuid4())
        upload = Upload(session_id, self._folder / session_id, name)
        self._uploads[session_id] = upload
        try:
            await asyncio.to_thread(_make, upload, self._clock.time())
        except OSError:
            self.remove(upload)
            raise
        self.log.info("upload begun", session=session_id, name=name)
        return upload

    def get(self, session_id: str) -> Upload:
        """The upload of this id, with braces or without.

        Raises:
            UnknownUpload: there is none, or it was idle too long.
        """
        upload = self._uploads.get(session_id.strip().strip("{}").lower())
        if upload is None or self._forgotten(upload):
            raise UnknownUpload(f"there is no upload session {session_id[:60]!r}; begin a new one")
        return upload

    async def append(self, upload: Upload, fragment: Fragment, content: bytes) -> None:
        """Keep what is new of a fragment; the caller holds the lock, and there is no gap.

        Raises:
            MalformedMessage: it does not fit to what came before.
            MessageTooLarge: the whole would be larger than this role takes.
            OSError: the disk refused; nothing counts as received.
        """
        if upload.total not in (0, fragment.total):
            raise MalformedMessage(f"the upload has {upload.total} bytes, not {fragment.total}")
        if fragment.total > self.max_bytes:
            raise MessageTooLarge(
                f"an upload of {fragment.total} bytes; at most {self.max_bytes} are accepted"
            )
        new = content[upload.received - fragment.first :]
        if not new:
            return
        await asyncio.to_thread(_write, upload, fragment.total, new, self._clock.time())
        upload.total = fragment.total
        upload.received += len(new)

    def remove(self, upload: Upload) -> None:
        """Forget an upload: it was closed, cancelled, or left alone too long."""
        self._uploads.pop(upload.session_id, None)
        shutil.rmtree(upload.folder, ignore_errors=True)

    def forget_idle(self) -> None:
        """Remove what nobody went on with for a fortnight of site time."""
        for upload in list(self._uploads.values()):
            self._forgotten(upload)

    def _forgotten(self, upload: Upload) -> bool:
        try:
            age = self._clock.time() - (upload.folder / _DATA).stat().st_mtime
        except FileNotFoundError:
            return False  # being made
        if age <= IDLE_SECONDS or upload.lock.locked():
            return False
        self.log.info("upload left alone too long", session=upload.session_id, name=upload.name)
        self.remove(upload)
        return True


def _make(upload: Upload, now: float) -> None:
    upload.folder.mkdir()
    (upload.folder / _DATA).touch()
    os.utime(upload.folder / _DATA, (now, now))
    _write_head(upload)


def _write_head(upload: Upload) -> None:
    head = {"name": upload.name, "total": upload.total}
    write_durably(upload.folder / _HEAD, json.dumps(head).encode())


def _write(upload: Upload, total: int, new: bytes, now: float) -> None:
    if upload.total != total:
        upload.total = total
        _write_head(upload)
    with (upload.folder / _DATA).open("r+b") as file:
        file.truncate(upload.received)  # what an attempt that failed may have left
        file.seek(upload.received)
        file.write(new)
        file.flush()
        os.utime(file.fileno(), (now, now))
        os.fsync(file.fileno())
