"""What stands on a role's port while the role itself is away.

``failing`` is what IIS shows when the application pool behind a port is stopped: the
listener lives and answers 503. ``hung`` in one process can only be shown at the socket.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping

from emulator.listening import stop_accepting

_REPLY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 20\r\nConnection: close\r\n\r\nService Unavailable\n"
)


class StandIn(asyncio.Protocol):
    """One connection to somebody who is not there; subclasses say how it is treated."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.door.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport:
            self.door.open.discard(self.transport)


class ServiceUnavailable(StandIn):
    """Every request gets HTTP 503, whatever its verb; its body is read and dropped."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._head = b""

    def data_received(self, data: bytes) -> None:
        if self._head.endswith(b"\r\n\r\n"):
            return  # still reading, so that closing does not reset the reply away
        head, end, _ = (self._head + data).partition(b"\r\n\r\n")
        self._head = (head + end)[-65536:]
        if end and self.transport:
            self.transport.write(_REPLY)
            if self.transport.can_write_eof():
                self.transport.write_eof()


class BlackHole(StandIn):
    """Connections are accepted; nothing is read, nothing answered."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport
        self.transport.pause_reading()


class Door:
    """A listener on a role's ports; every connection is treated by one kind of stand-in."""

    def __init__(
        self, host: str, ports: Mapping[int, ssl.SSLContext | None] | int, treat: type[StandIn]
    ) -> None:
        """``ports``: each with how TLS is answered there; None where it is not (or by silence)."""
        self.host = host
        self.ports = {ports: None} if isinstance(ports, int) else dict(ports)
        self.open: set[asyncio.Transport] = set()
        self._treat = treat
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Raises OSError when a port is taken."""
        loop = asyncio.get_running_loop()
        for port, context in self.ports.items():
            self._servers.append(
                await loop.create_server(
                    lambda: self._treat(self),
                    self.host,
                    port,
                    ssl=context,
                    reuse_address=True,
                    family=socket.AF_INET,
                )
            )

    async def stop(self) -> None:
        """Leave the ports, and drop whoever still waits on them."""
        for server in self._servers:
            await stop_accepting(server.sockets)
            server.close()
        for transport in list(self.open):
            transport.abort()
        for server in self._servers:
            await server.wait_closed()
        await asyncio.sleep(0)  # aborted transports close in the next turn of the loop
        self._servers = []
