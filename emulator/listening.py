"""Leaving a port without losing whoever was just accepted on it.

asyncio accepts a connection in one turn of the loop and hands it to its protocol in a later one. A server
that is closed between the two forgets the connection: nobody ever closes its socket, and the
other side waits for an answer that cannot come. So a port is left in two steps: first nobody new is
accepted, then, when all who were accepted have been handed over, the server is closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Protocol

BACKLOG = 1024
HANDING_OVER = 3  # turns of the loop from a connection's acceptance to its protocol


class Listener(Protocol):
    """What a listening socket is known by."""

    def fileno(self) -> int: ...


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on this address; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


async def stop_accepting(listeners: Iterable[Listener]) -> None:
    """Accept nobody new on these sockets; returns when everyone accepted before has met his protocol."""
    loop = asyncio.get_running_loop()
    for listener in listeners:
        if listener.fileno() >= 0:
            loop.remove_reader(listener.fileno())
    for _ in range(HANDING_OVER):
        await asyncio.sleep(0)
