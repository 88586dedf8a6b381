"""How fast a distribution point serves files, against nginx: ``python -m tests.benchmarks.content``.

The same files, read by turns from a distribution point and from nginx, each on the first core alone, by
``wrk`` on the others. Both programs must be installed (``apt-get install nginx-light wrk``).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from emulator.addresses import free_port
from emulator.protocol.content import package_hash
from emulator.settings import RoleAddress, RoleSettings

HOST = "127.0.0.1"
SIZES = {"4 KB": 4 * 1024, "1 MB": 1024**2, "200 MB": 200 * 1024**2}
GOALS = {"4 KB": 0.3, "1 MB": 0.6, "200 MB": 0.9}
CONNECTIONS = {"4 KB": 16, "1 MB": 4, "200 MB": 2}
TIMES, SECONDS = 3, 3
UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    server {{ listen {host}:{port}; root {root}; }}
}}
"""


def first_core() -> None:
    os.sched_setaffinity(0, {0})


def other_cores() -> None:
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})


def names() -> dict[str, str]:
    return {size: f"{size.replace(' ', '')}.bin" for size in SIZES}


async def fill(settings: RoleSettings, folder: Path) -> None:
    """Put the files on the distribution point, as the site server does."""
    archive, entries = folder / "package.tar", []
    with tarfile.open(archive, "w") as tar:
        for size, name in names().items():
            content = os.urandom(SIZES[size])
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            entries.append((name, len(content), hashlib.sha256(content).hexdigest()))
    headers = {
        "Authorization": f"Bearer {settings.secret}",
        "X-Package-Hash": package_hash(entries),
    }
    url = f"{settings.role.url}/SMSPKG/S0100001.1"
    with archive.open("rb") as body:
        async with aiohttp.ClientSession() as http, http.put(url, data=body, headers=headers) as reply:
            reply.raise_for_status()
    archive.unlink()


@contextmanager
def distribution_point(settings: RoleSettings) -> Iterator[None]:
    settings.data.mkdir()
    file = settings.data / "settings.json"
    file.write_text(settings.model_dump_json())
    command = [sys.executable, "-m", "emulator.role_process", str(file)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=first_core,
    )
    assert process.stdout
    assert process.stdout.readline().strip() == b"ready"
    try:
        yield
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def nginx(folder: Path, port: int, root: Path) -> Iterator[None]:
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, host=HOST, port=port, root=root))
    root.chmod(0o755)
    process = subprocess.Popen(["nginx", "-c", str(file), "-p", str(folder)], preexec_fn=first_core)
    try:
        yield
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def measure(url: str, connections: int) -> float:
    """Bytes a second that arrive."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "30s", url]
    text = subprocess.run(command, preexec_fn=other_cores, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"{url}: {text}")
    found = re.search(r"Transfer/sec:\s+([0-9.]+)([KMG]?B)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


async def main() -> None:
    missing = [program for program in ("nginx", "wrk") if shutil.which(program) is None]
    if missing:
        print(f"files are not measured: {' and '.join(missing)} must be installed")
        return
    folder = Path(tempfile.mkdtemp(prefix="cmemu-bench-"))
    folder.chmod(0o755)
    role = RoleAddress(
        name="distribution_point", kind="distribution_point", computer="DP1", host=HOST, port=free_port(HOST)
    )
    settings = RoleSettings(role=role, site_code="S01", roles=(role,), data=folder / "dp", secret="a secret")
    port = free_port(HOST)
    root = settings.data / "packages" / "S0100001.1" / "content"
    try:
        with distribution_point(settings):
            await fill(settings, folder)
            with nginx(folder, port, root):
                await asyncio.sleep(0.5)  # nginx does not say when it is ready
                for size, name in names().items():
                    compare(
                        size, f"{role.url}/SMS_DP_SMSPKG$/S0100001.1/{name}", f"http://{HOST}:{port}/{name}"
                    )
    finally:
        shutil.rmtree(folder)


def compare(size: str, ours: str, theirs: str) -> None:
    rates: dict[str, list[float]] = {ours: [], theirs: []}
    for _ in range(TIMES):
        for url, found in rates.items():
            found.append(measure(url, CONNECTIONS[size]))
    mine, nginx_rate = (statistics.median(found) for found in rates.values())
    print(
        f"{size:>6}: {mine / SIZES[size]:>9.1f} files/s ({mine / 1e6:.0f} MB/s), nginx "
        f"{nginx_rate / SIZES[size]:.1f} files/s ({nginx_rate / 1e6:.0f} MB/s); "
        f"ratio {mine / nginx_rate:.2f} (goal: at least {GOALS[size]:g})"
    )


if __name__ == "__main__":
    asyncio.run(main())
