"""A role in a process of its own: ended and frozen by signals, told the rest on its standard input."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from emulator.errors import CannotStart, FaultRefused
from emulator.faults.stand_in import Door, ServiceUnavailable
from emulator.role_host import Networked, door_of
from emulator.role_process import CLOCK_CHANGED, GO_ON, READY, REST, RESTING
from emulator.settings import RoleSettings


class ProcessHost(Networked):
    """The role runs in a process of its own: SIGKILL and SIGSTOP are real."""

    START_SECONDS = 30.0
    STOP_SECONDS = 10.0

    def __init__(self, settings: RoleSettings) -> None:
        self.address = settings.role
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._door: Door | None = None

    @property
    def log_path(self) -> Path:
        return self.settings.data / "role.log"

    async def start(self) -> str:
        self.settings.data.mkdir(parents=True, exist_ok=True)
        file = self.settings.data / "settings.json"
        file.write_text(self.settings.model_dump_json(indent=1), encoding="utf-8")
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "emulator.role_process",
                str(file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the site, which stops its roles in order
            )
        await self._ready(self._process)
        return (
            f"{self.address.name} answers on {self.address.host}:{self.address.port}, pid {self._process.pid}"
        )

    async def rest(self) -> str:
        """Shut the role down in order; its process stays, and waits for ``go_on``."""
        process = self._process
        if process is None or not await self._says(process, REST, RESTING, self.STOP_SECONDS):
            return await self.stop()
        return f"shut down in order; pid {process.pid} waits"

    async def go_on(self) -> str:
        """Start the role again, in its process if that is still there.

        Raises:
            CannotStart: as ``start``.
        """
        process = self._process
        if process is None or not await self._says(process, GO_ON, READY, self.START_SECONDS):
            if process:  # it died meanwhile; or it cannot start, and another one says why
                await self._end(process)
            return await self.start()
        return f"{self.address.name} answers again, pid {process.pid}"

    @staticmethod
    async def _says(process: asyncio.subprocess.Process, word: bytes, answer: str, within: float) -> bool:
        """Whether the process answers a word as it should."""
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(word)
            async with asyncio.timeout(within):
                return (await process.stdout.readline()).strip() == answer.encode()
        except (TimeoutError, OSError):
            return False

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        _close_pipes(process)
        self._process = None

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        if not await self._says(process, b"", READY, self.START_SECONDS):
            await self._end(process)
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise CannotStart(lines[-1] if lines else f"{self.address.name}: ended without a word")

    def clock_changed(self) -> None:
        """One byte on its standard input; a frozen process reads it when it goes on."""
        process = self._process
        if process and process.returncode is None and process.stdin and not process.stdin.is_closing():
            process.stdin.write(CLOCK_CHANGED)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            raise FaultRefused(f"{self.address.name}: its process is not running")
        return self._process

    async def stop(self) -> str:
        await self._leave()
        if self._process is None:
            return "was not running"
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        how = "SIGTERM"
        try:
            async with asyncio.timeout(self.STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            how = f"SIGTERM, then SIGKILL after {self.STOP_SECONDS:.0f} s"
        _close_pipes(process)
        return f"{how} to pid {process.pid}; it ended with {process.returncode}"

    async def kill(self) -> str:
        process = self._running()
        process.kill()
        await process.wait()
        self._process = None
        _close_pipes(process)
        return f"SIGKILL to pid {process.pid}; it ended with {process.returncode}"

    async def suspend(self) -> str:
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        await _standing_still(process.pid)
        return f"SIGSTOP to pid {process.pid}"

    async def resume(self) -> str:
        process = self._running()
        process.send_signal(signal.SIGCONT)
        return f"SIGCONT to pid {process.pid}"

    async def refuse(self) -> str:
        stopped = await self.stop()
        door = await door_of(self.settings, ServiceUnavailable)
        await door.start()
        self._door = door
        return f"{stopped}; its port answers every request with HTTP 503"

    async def accept(self) -> str:
        await self._leave()
        return await self.start()

    async def _leave(self) -> None:
        if self._door:
            await self._door.stop()
            self._door = None


async def _standing_still(pid: int) -> None:
    """Wait until every thread has stopped: a signal is sent sooner than it is heard."""
    with contextlib.suppress(OSError):  # it died instead; or there is no /proc
        while True:
            stats = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
            if all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats):
                return
            await asyncio.sleep(0.001)


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.close()
    # The transport of a finished process owns its pipes; leaving it to the collector warns.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
