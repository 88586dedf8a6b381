"""Deeds that are half done are worse than late ones: whoever asked may go, the deed goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from emulator.logs import get_logger

T = TypeVar("T")
log = get_logger("site")


async def to_the_end(deed: Coroutine[Any, Any, T]) -> T:
    """Do it whole, even if the caller is cancelled meanwhile: that is raised when the deed has ended.

    So nobody goes on, or closes what the deed works on, while it is at work.

    Raises:
        Exception: whatever the deed raises; a caller who has gone does not hear of it, the log does.
    """
    task = asyncio.create_task(deed)
    gone: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as exc:
            gone = exc
    if gone is None:
        return task.result()
    if not task.cancelled() and (error := task.exception()):
        log.warning("failed when its caller had gone", reason=f"{type(error).__name__}: {error}")
    raise gone
