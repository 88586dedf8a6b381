"""A load generator: keep-alive connections, bytes made beforehand, nothing parsed but lengths.

It runs in a process of its own: ``python -m tests.benchmarks.load``, told by one line of JSON on its
standard input, and says how many requests a second were answered with 200.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
WARM_UP = 0.5  # seconds that are not counted


class Connection:
    """One socket with one request under way."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.got = b""
        self.socket.sendall(request)

    def readable(self) -> bool:
        """Read on; True when the reply is whole and the next request has been sent."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"closed after {self.got[:200]!r}")
        self.got += data
        end = self.got.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self.got, 0, end)
        if end < 4 or not length or len(self.got) < end + int(length[1]):
            return False
        if not self.got.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"refused: {self.got[:300]!r}")
        self.got = b""
        self.socket.sendall(self.request)
        return True


def generate(host: str, port: int, requests: Sequence[bytes], seconds: float) -> float:
    """Replies a second; one connection for each of the requests."""
    poll = select.epoll()
    connections = {}
    for request in requests:
        connection = Connection(host, port, request)
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket.fileno(), select.EPOLLIN)
    began = time.perf_counter() + WARM_UP
    end = began + seconds
    answered = 0
    while (now := time.perf_counter()) < end:
        for number, _ in poll.poll(1.0):
            answered += connections[number].readable() and now >= began
    for connection in connections.values():
        connection.socket.close()
    return answered / seconds


async def measure(host: str, port: int, requests: Path, seconds: float, core: int) -> float:
    """Run the generator on one core, away from the server's."""
    task = {"host": host, "port": port, "requests": str(requests), "seconds": seconds, "core": core}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.load",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(json.dumps(task).encode())
    if process.returncode:
        raise RuntimeError("the load generator failed")
    return float(out)


def write_requests(folder: Path, name: str, requests: Sequence[bytes]) -> Path:
    """Where the generator finds its requests."""
    target = folder / name
    target.mkdir()
    for index, request in enumerate(requests):
        (target / f"{index:04}").write_bytes(request)
    return target


if __name__ == "__main__":
    told = json.load(sys.stdin)
    os.sched_setaffinity(0, {told["core"]})
    prepared = [file.read_bytes() for file in sorted(Path(told["requests"]).iterdir())]
    print(generate(told["host"], told["port"], prepared, told["seconds"]))
