"""The product's own log format, one file a component: what CMTrace and an administrator's other tools open.

A line is ``<![LOG[text]LOG]!><time="12:01:07.123+000" date="11-28-2026" component="mpfdm" context="" type="1"
thread="4711" file="">``; ``type`` is 1 for information, 2 for a warning, 3 for an error. When a role or a
client logs, the time is the site's, as its own clock shows it. A log that has become too long goes on in a
new file; the old one is named ``<component>.lo_``, in the place of an older one.
"""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from emulator.errors import CannotStart
from emulator.logs import heard_by, logging_client, site_time

MOST = 2 * 1024 * 1024  # bytes of a log, and of the old one beside it
TYPES = ((logging.ERROR, 3), (logging.WARNING, 2), (logging.NOTSET, 1))


class CMTraceHandler(logging.Handler):
    """Writes each logger's lines to ``<its name>.log`` in a folder, a client's to one below it."""

    def __init__(self, folder: Path) -> None:
        """Raises CannotStart: the folder cannot be written."""
        super().__init__()
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc

    def emit(self, record: logging.LogRecord) -> None:
        try:
            component = record.name.rpartition(".")[2]
            folder = self._folder
            if client := logging_client():
                folder = folder / client
                folder.mkdir(exist_ok=True)
            path = folder / f"{component}.log"
            with path.open("ab") as file:
                file.write(cmtrace_line(record, component, site_time()).encode("utf-8", "replace"))
                full = file.tell() >= MOST
            if full:
                path.replace(path.with_suffix(".lo_"))
        except Exception:
            self.handleError(record)


def cmtrace_line(record: logging.LogRecord, component: str, now: datetime | None = None) -> str:
    """One line; ``now`` is site time, or the record's own time where no site has one."""
    at = now or datetime.fromtimestamp(record.created, UTC)
    kind = next(number for level, number in TYPES if record.levelno >= level)
    text = record.getMessage().replace("]LOG]!>", "]LOG] !>")
    return (
        f'<![LOG[{text}]LOG]!><time="{at:%H:%M:%S}.{at.microsecond // 1000:03d}+000" date="{at:%m-%d-%Y}" '
        f'component="{component}" context="" type="{kind}" thread="{threading.get_native_id()}" file="">\n'
    )


def logs_in(folder: Path) -> AbstractContextManager[None]:
    """Inside, every component's lines are written below a folder.

    Raises:
        CannotStart: the folder cannot be written.
    """
    return heard_by(CMTraceHandler(folder))
