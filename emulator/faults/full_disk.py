"""A full disk: an outbox, an inbox or a client's cache on a real file system that has no room left."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import Field

from emulator.errors import FaultRefused
from emulator.faults.fault import CLIENTS, Memory, RoleFault
from emulator.faults.small_disk import SmallDisk
from emulator.faults.surroundings import Surroundings

# Whose folder is full.
FOLDERS = {"management_point": "outboxes", "site_server": "inboxes"}
CACHE = "cache"
_DISK = "disk"


class DiskFull(RoleFault):
    """A real small file system with no room left holds the outboxes, the inboxes or a client's cache."""

    kind = "disk_full"
    roles = (*FOLDERS, CLIENTS)
    free_bytes: int = Field(
        default=0, ge=0, le=1 << 30, description="room that is left, in whole pages of 4 KiB"
    )

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Mount a small file system over the folder, with the folder's files on it.

        Raises:
            FaultRefused: nothing can be mounted here, or the folder is not there.
        """
        folder = _folder(site, role)
        if not folder.is_dir():
            raise FaultRefused(f"{self.kind}: {folder} is not there yet")
        if folder.is_mount():
            raise FaultRefused(f"{self.kind}: {folder} is a full disk already")
        disk = SmallDisk(folder)
        async with _quiet(site, role):
            size = disk.mount(self.free_bytes)
        memory[_DISK] = disk
        return f"{folder.name}: on a tmpfs of {size} bytes, {self.free_bytes} of them free"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        disk: SmallDisk = memory[_DISK]
        async with _quiet(site, role):
            disk.unmount()
        return f"{disk.folder.name}: on its own disk again, with what was kept meanwhile"


def _folder(site: Surroundings, role: str) -> Path:
    if role in site.client_folders:
        return site.client_folders[role] / CACHE
    return site.folder(role) / FOLDERS[site.roles[role].kind]


@asynccontextmanager
async def _quiet(site: Surroundings, role: str) -> AsyncIterator[None]:
    """While a role runs in a process of its own, that process stands still."""
    if role in site.client_folders or site.mode != "processes" or role in site.broken:
        yield
        return
    host = site.host(role)
    await host.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(FaultRefused):  # it died meanwhile
            await host.resume()
