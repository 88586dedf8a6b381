"""Loggers under the product's own log names, silent until somebody asks to hear them.

The emulator is a library inside other people's tests: it never configures their logging.
``get_logger("mpfdm")`` writes to the standard logger ``cmemu.mpfdm``; ``lines_to`` and the
host's own handlers decide where that goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict

ROOT = logging.getLogger("cmemu")
ROOT.addHandler(logging.NullHandler())


_site_time: ContextVar[Callable[[], datetime] | None] = ContextVar("site_time", default=None)
_client: ContextVar[str] = ContextVar("client", default="")


@contextmanager
def lines_tell_time(now: Callable[[], datetime], client: str = "") -> Iterator[None]:
    """What is logged inside, and by tasks begun inside, tells this site time: a role's own clock's.

    ``client``: whose lines these are, where many clients in one process each have logs of their own.
    """
    time, name = _site_time.set(now), _client.set(client)
    try:
        yield
    finally:
        _client.reset(name)
        _site_time.reset(time)


def site_time() -> datetime | None:
    """The time of whoever is logging, if it is a role or a client."""
    now = _site_time.get()
    return now() if now else None


def logging_client() -> str:
    """The name of the client that is logging; "" if it is none."""
    return _client.get()


def _add_site_time(_: Any, __: str, line: EventDict) -> EventDict:
    now = _site_time.get()
    if now is not None:
        line["site_time"] = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return line


class _Logger(structlog.stdlib.BoundLogger):
    """Asks whether anybody listens before a line is made: most are not heard, and they are many."""

    def debug(self, event: str | None = None, *args: Any, **values: Any) -> Any:
        return super().debug(event, *args, **values) if self._logger.isEnabledFor(logging.DEBUG) else None

    def info(self, event: str | None = None, *args: Any, **values: Any) -> Any:
        return super().info(event, *args, **values) if self._logger.isEnabledFor(logging.INFO) else None


def get_logger(name: str, **bound: Any) -> Any:
    """A structured logger under one of the product's log names."""
    logger: Any = structlog.wrap_logger(
        logging.getLogger(f"cmemu.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            _add_site_time,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=_Logger,
        cache_logger_on_first_use=True,
    )
    return logger.bind(**bound) if bound else logger


@contextmanager
def heard_by(handler: logging.Handler, level: int = logging.INFO) -> Iterator[None]:
    """A handler hears every line from ``level`` up, inside and no longer."""
    before = ROOT.level
    ROOT.addHandler(handler)
    ROOT.setLevel(min(level, before or level))
    try:
        yield
    finally:
        ROOT.removeHandler(handler)
        ROOT.setLevel(before)
        handler.close()


def lines_to(path: Path | None) -> AbstractContextManager[None]:
    """Inside, every line is written to a file; without one, to standard error.

    Raises:
        OSError: the file cannot be written.
    """
    handler = logging.FileHandler(path, encoding="utf-8") if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    return heard_by(handler)
