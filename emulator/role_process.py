"""One role as one operating-system process.

Prints ``ready`` on standard output when the role answers, and ends in order on SIGTERM,
SIGINT, or when the standard input it was given closes (its parent is gone). A byte there is a word of
the parent's: the site's clock was changed; shut the role down (answered by ``resting``); start it again.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from emulator.clock import Clock
from emulator.clock_file import follow, look
from emulator.cmtrace import logs_in
from emulator.ending_signals import hear_of_ending
from emulator.errors import CannotStart, ConfigMgrError
from emulator.logs import lines_to
from emulator.role import Role
from emulator.settings import DATABASES, RoleSettings

# Which class plays which role. Imported by name when needed, so that a process loads one role only.
ROLE_CLASSES = {
    "site_server": ("emulator.site_server.site_server", "SiteServer"),
    "management_point": ("emulator.management_point.management_point", "ManagementPoint"),
    "distribution_point": ("emulator.distribution_point.distribution_point", "DistributionPoint"),
}


CLOCK_CHANGED, REST, GO_ON = b".", b"r", b"g"  # what the parent says
READY, RESTING = "ready", "resting"  # what is answered
_END = b""


def make_role(settings: RoleSettings) -> Role:
    """The role that these settings describe."""
    module, name = ROLE_CLASSES[settings.role.kind]
    role: Role = getattr(import_module(module), name)(settings)
    return role


def read_settings(path: Path) -> RoleSettings:
    """Read a role's settings file.

    Raises:
        CannotStart: one line with file, place and what was expected.
    """
    try:
        return RoleSettings.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise CannotStart(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise CannotStart(f"{path}: {place}: {first['msg']}") from exc


async def run_role(settings: RoleSettings, *, with_parent: bool = False) -> None:
    """Run one role until it is told to end."""
    if settings.role.kind in DATABASES:
        raise CannotStart(
            f"the {settings.role.kind.replace('_', ' ')} is PostgreSQL itself; start the site, or give a DSN"
        )
    # Made before the role's: all clocks of a process share what this one follows, and how it looks.
    clock = settings.open_clock() if not with_parent else _told_clock(settings)
    role = make_role(settings)
    words: asyncio.Queue[bytes] = asyncio.Queue()
    hear_of_ending(lambda number: words.put_nowait(_END))
    await role.start()
    gc.freeze()  # what starting has made lives as long as the role: nothing there to collect
    if with_parent:
        _listen_to_parent(asyncio.get_running_loop(), words, clock)
    print(READY, flush=True)
    await _live(role, settings, words)


async def _live(role: Role, settings: RoleSettings, words: asyncio.Queue[bytes]) -> None:
    """Do what one is told until the end."""
    running: Role | None = role
    while word := await words.get():
        if word == REST and running:
            await running.stop()
            running = None
            print(RESTING, flush=True)
        elif word == GO_ON:
            if running is None:
                running = make_role(settings)
                await running.start()
            print(READY, flush=True)
    if running:
        await running.stop()


def _told_clock(settings: RoleSettings) -> Clock:
    """The role's clock in a process that is told by its parent when the site's was changed."""
    if settings.clock_file is None:
        return settings.open_clock()
    return follow(settings.clock_file, settings.role.name, settings.clock, look_every=None)


def _listen_to_parent(loop: asyncio.AbstractEventLoop, words: asyncio.Queue[bytes], clock: Clock) -> None:
    """Pass its words on; a closed standard input ends the role.

    So there are no orphans; on Linux the kernel sees to the frozen ones.
    """
    stdin = sys.stdin.fileno()

    def read() -> None:
        said = os.read(stdin, 4096)
        if CLOCK_CHANGED in said:
            look(clock)
        for word in (REST, GO_ON):
            if word in said:  # never both: each is answered before the other is said
                words.put_nowait(word)
        if not said:
            loop.remove_reader(stdin)
            words.put_nowait(_END)

    loop.add_reader(stdin, read)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main(path: str) -> int:
    """Entry of a role's own process; the last line of a failed start says why."""
    try:
        settings = read_settings(Path(path))
        with lines_to(None), logs_in(settings.log_dir) if settings.log_dir else nullcontext():
            asyncio.run(run_role(settings, with_parent=True))
    except ConfigMgrError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
