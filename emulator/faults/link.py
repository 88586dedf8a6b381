"""A link: one arrow between two parts of a site on different computers, as a relay that can be cut.

A cut link behaves like a network that drops packets: connect attempts time out, open connections
go silent, and when it is mended they go on with the byte they had come to. Nothing that a
role can see is closed or reset by a cut.

It can be cut in one direction only: then new connections time out all the same, since opening one takes
both, and on open ones the other direction goes on.

Other faults act on what passes (``wire_fault.py``); while none is set, bytes are written on as they
were read.

While it is cut the relay's port has a queue of one, and that one place is taken: the kernel then drops
whoever knocks, which is what makes connect attempts time out and not be refused or accepted.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from emulator.faults.connection import Connection
from emulator.faults.wire_fault import Direction, Planned
from emulator.listening import stop_accepting

BOTH: frozenset[Direction] = frozenset(("requests", "replies"))


@dataclass(frozen=True, slots=True)
class Arrow:
    """From whom to whom; a source is a role's name, or who is no role: clients, administrators, observers."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class Link:
    """Listens on an address of its own and relays every connection to the target's address."""

    def __init__(
        self,
        arrow: Arrow,
        host: str,
        port: int,
        to: tuple[str, int],
        *,
        http: bool = True,
        inside: bool = False,
    ) -> None:
        """``http``: requests and replies travel here; else bytes of which nothing is known.

        ``inside``: it leaves no computer.
        """
        self.arrow = arrow
        self.inside = inside
        self.host, self.port = host, port
        self.to = to
        self.http = http
        self.cuts: dict[str, frozenset[Direction]] = {}  # who cut it; it is mended when no cut is left
        self.faults: list[Planned] = []  # in the order in which they were set
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._full: list[socket.socket] = []
        # A role's partition and a cut by hand may come together: they take the port one after the other.
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self).near, self.host, self.port, backlog=1024, reuse_address=True
        )

    async def stop(self) -> None:
        """Leave the port and drop every connection."""
        await self._close_door()
        self._empty_queue()
        for connection in list(self.connections):
            connection.reset()
        await asyncio.sleep(0)  # aborted transports close in the next turn of the loop

    @property
    def silent(self) -> frozenset[Direction]:
        """The directions in which everything is dropped."""
        return frozenset().union(*self.cuts.values())

    async def cut(self, by: str, directions: frozenset[Direction] = BOTH) -> None:
        """Drop everything that travels here in these directions, from now on.

        Raises:
            OSError: the port was lost to somebody else; nothing is cut.
        """
        async with self._turn:
            if not self.cuts:
                await self._close_door()
                try:
                    self._fill_queue()
                except OSError:
                    self._empty_queue()
                    await self.start()
                    raise
            self.cuts[by] = directions
            self._silence()

    async def mend(self, by: str) -> None:
        """Let it through again; open connections go on where they were."""
        async with self._turn:
            if self.cuts.pop(by, None) is None:
                return
            if not self.cuts:
                self._empty_queue()
                await self.start()
            self._silence()

    def _silence(self) -> None:
        for connection in self.connections:
            connection.silence(self.silent)

    async def set(self, planned: Planned) -> None:
        """Have a fault act on what passes: on what is under way too, where it is known what that is."""
        self.faults.append(planned)
        for connection in list(self.connections):
            await connection.begin(planned)

    def lift(self, planned: Planned) -> None:
        """Let the fault touch nothing any more; what it held back goes on."""
        planned.lifted.set()
        if planned in self.faults:
            self.faults.remove(planned)

    async def _close_door(self) -> None:
        if self._server:
            await stop_accepting(self._server.sockets)
            # Not awaited: since Python 3.12 wait_closed() waits for open connections, and they stay.
            self._server.close()
            self._server = None

    def _fill_queue(self) -> None:
        """Listen, and have the only place in the queue taken: whoever comes now hears nothing."""
        listener, taken = socket.socket(), socket.socket()
        self._full = [taken, listener]
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(0)
        # Not waited for: if somebody was quicker the place is taken by him, and this one hears nothing.
        taken.setblocking(False)
        taken.connect_ex((self.host, self.port))

    def _empty_queue(self) -> None:
        for each in self._full:
            each.close()
        self._full = []
