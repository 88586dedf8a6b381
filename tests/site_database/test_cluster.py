"""The folder PostgreSQL works in, as it is found where something else has had its hands on it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from emulator.addresses import free_port, own_hosts
from emulator.site_database.server import PostgresServer

(HOST,) = own_hosts(1)


def mounted_for_a_group(folder: Path) -> None:
    """What kubelet does with a claim when it is mounted for a pod with an ``fsGroup``."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode & 0o7777
        path.chmod(mode | (0o2770 if path.is_dir() else 0o660))


async def test_a_folder_that_was_opened_to_a_group_is_closed_again() -> None:
    with tempfile.TemporaryDirectory(prefix="cmemu-tests-") as folder:
        server = PostgresServer(Path(folder) / "site_database", HOST, free_port(HOST))
        await server.start()
        await server.stop()
        mounted_for_a_group(server.data)
        await server.start()
        await server.stop()
