"""One more management point of a running site, started for a benchmark as the site starts its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.addresses import free_port
from emulator.settings import RoleAddress
from emulator.site import Site
from tests.benchmarks.load import write_requests
from tests.benchmarks.policy import SERVER_CORE, http_request


@dataclass
class Twin:
    """A management point that is ready, its process, and the polls it is to be asked, on disk."""

    address: RoleAddress
    process: Process
    polls: Path


@asynccontextmanager
async def twin(
    site: Site,
    folder: Path,
    polls: Sequence[bytes],
    journal: int = 0,
    command: Sequence[str] = ("-m", "emulator.role_process"),
    options: Sequence[str] = (),
) -> AsyncIterator[Twin]:
    """With the settings, files and database of the site's own; its core is the measured one.

    ``command``: what Python runs; it is given the file of settings, then ``options``, and says ``ready``.
    ``journal``: bytes that it keeps; 0 for none.
    """
    mp = site.only("management_point")
    address = mp.model_copy(update={"port": free_port(mp.host)})
    folder = folder / str(address.port)
    shutil.copytree(site.folder(mp.name), folder / "data")
    update = {"role": address, "data": folder / "data", "journal": journal}
    file = folder / "settings.json"
    file.write_text(site.settings(mp.name).model_copy(update=update).model_dump_json(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, str(file), *options,
        stdin=PIPE, stdout=PIPE,
        start_new_session=True,  # as the site does: the kernel shares a core out by sessions
    )  # fmt: skip
    try:
        assert process.stdout
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("a management point did not start")
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        requests = [http_request("CCM_POST", "/ccm_system/request", address, poll) for poll in polls]
        yield Twin(address, process, write_requests(folder, "polls", requests))
    finally:
        process.terminate()
        await process.wait()
