"""A running site, and programs that share no code with it.

The site runs in a thread of this process and the tests wait for other processes, so nothing here is a
coroutine. Where a program is missing its tests are skipped and say so; in CI that is a failure.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from emulator.site import Site
from emulator.topology import read_topology
from fixtures.administrator import Administrator
from fixtures.packages import PackageSource

T = TypeVar("T")

USER, PASSWORD = "LAB\\alice", "Wonder-1"
NAA_USER, NAA_PASSWORD = "LAB\\naa", "Harmless-2"
FILES = {"setup.exe": 16_384, "data/payload.cab": 8_192, "large.bin": 6 * 1024 * 1024, "read me.txt": 77}
WAIT = 90  # seconds for one program, on a busy machine

TOPOLOGY: dict[str, Any] = {
    "name": "interop",
    "site_code": "PS1",
    "site_name": "Interop",
    "computer": [
        {"name": "SITE1", "roles": ["site_server", "site_database"]},
        {"name": "MP1", "roles": ["management_point"]},
        {"name": "DP1", "roles": ["distribution_point"]},
    ],
    "user": [{"name": USER, "password": PASSWORD, "administrator": True}],
    "policy": [
        {
            "name": "network access account",
            "category": "NAAConfig",
            "class": "CCM_NetworkAccessAccount",
            "property": [
                {"name": "SiteSettingsKey", "value": 1},
                {"name": "NetworkAccessUsername", "value": NAA_USER, "secret": True},
                {"name": "NetworkAccessPassword", "value": NAA_PASSWORD, "secret": True},
            ],
        },
        {
            "name": "hardware inventory",
            "class": "CCM_ClientAgentConfig",
            "property": [{"name": "SiteSettingsKey", "value": 1}, {"name": "BrandingTitle", "value": "Lab"}],
        },
    ],
}


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True)
class RunningSite:
    """What a stranger is told of the site: addresses, accounts, and which package to look for."""

    site: Site
    loop: Loop
    package_id: str
    source: Path

    @property
    def mp(self) -> str:
        return self.site.url("management_point")

    @property
    def dp(self) -> str:
        return self.site.url("distribution_point")

    @property
    def content(self) -> str:
        return f"{self.dp}/SMS_DP_SMSPKG$/{self.package_id}.1"

    def bytes_of(self, name: str) -> bytes:
        return (self.source / name).read_bytes()

    def digest_of(self, name: str) -> str:
        return hashlib.sha256(self.bytes_of(name)).hexdigest()


async def _prepare(site: Site, source: Path) -> str:
    async with Administrator(site.url("site_server"), site.secret) as administrator:
        package_id = await administrator.create_package("Interop", source)
        await administrator.create_program(package_id)
        await administrator.distribute(package_id)
        await administrator.until_installed(package_id, 1, seconds=60)
        await administrator.create_advertisement("Interop", package_id, "SMS00001")
    return package_id


def open_site(folder: Path, **security: Any) -> Iterator[RunningSite]:
    """A site with one package on its distribution point."""
    loop = Loop()
    source = PackageSource("interop", FILES).write(folder, seed=7)
    site = Site(
        read_topology({**TOPOLOGY, "security": security}), data=folder / "site", database_timeout=20.0
    )
    try:
        loop.run(site.start())
        yield RunningSite(site, loop, loop.run(_prepare(site, source)), source)
    finally:
        loop.run(site.stop())
        loop.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site as it comes out of the box: strict, mixed mode, content for everybody."""
    folder = _open_to_all(tmp_path_factory.mktemp("interop"))
    yield from open_site(folder)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site whose distribution point wants to know who is asking."""
    folder = _open_to_all(tmp_path_factory.mktemp("guarded"))
    yield from open_site(folder, anonymous_content=False)


def _open_to_all(folder: Path) -> Path:
    # As root, PostgreSQL runs as another user, who has to pass through.
    for part in (folder, *folder.parents):
        if part != Path("/") and os.access(part, os.W_OK) and part.stat().st_uid == os.getuid():
            part.chmod(part.stat().st_mode | 0o711)
    return folder


def missing(what: str) -> None:
    """Skip; where CI runs, fail: there every client has to be there."""
    message = f"{what} is not installed; .ci/run installs it"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(message)
    pytest.skip(message)


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program to its end, away from proxies and from its user's settings."""

    def execute(name: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        path = shutil.which(name)
        if path is None:
            missing(name)
        assert path is not None
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment |= {"HOME": str(tmp_path), "no_proxy": "*", "LC_ALL": "C.UTF-8"}
        options = {"cwd": tmp_path, "timeout": WAIT, **options}
        return subprocess.run(
            [path, *map(str, arguments)], env=environment, capture_output=True, check=False, **options
        )

    return execute


def eventually(ask: Callable[[], T], good: Callable[[T], bool], seconds: float = 30) -> T:
    """Ask until the answer is good: a client polls too, and nobody tells it when its policies are made.

    The last answer is given back even if it is not, for the test to complain about.
    """
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if good(answer) or time.monotonic() > end:
            return answer
        time.sleep(0.1)
