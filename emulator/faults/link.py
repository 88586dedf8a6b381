"""A link: one arrow between two parts of a site, as a relay that can be cut, or refuse whoever comes.

A cut link behaves like a network that drops packets: connect attempts time out, open connections
go silent, and when it is mended they go on with the byte they had come to. Nothing that a
role can see is closed or reset by a cut.

It can be cut in one direction only: then new connections time out all the same, since opening one takes
both, and on open ones the other direction goes on.

A link that refuses is like a host on which nobody listens: connect attempts are refused, and open connections
are reset. In one that is cut as well, packets are dropped, and nothing of the refusal is learnt.

Other faults act on what passes (``wire_fault.py``); while none is set, bytes are written on as they
were read.

While it is cut the relay's port has a queue of one, and that one place is taken: the kernel then drops
whoever knocks, which is what makes connect attempts time out and not be refused or accepted. It is the same
socket all the time: a port that is let go of for a moment may be held by a process that is just being
started, with a copy of all that its parent had open. One that refuses does not listen, and stays bound.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from emulator.faults.connection import RESET, Connection
from emulator.faults.wire_fault import Direction, Planned
from emulator.listening import BACKLOG, listening_socket, stop_accepting

# What whoever comes to the port meets.
Door = Literal["open", "dropping", "refusing"]
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
        self.refusals: set[str] = set()  # who has it refuse; likewise
        self.faults: list[Planned] = []  # in the order in which they were set
        self.connections: set[Connection] = set()
        self._port: socket.socket | None = None  # ours from start to stop
        self._door: Door = "open"
        self._server: asyncio.Server | None = None  # while it is open
        self._taken: socket.socket | None = None  # has the one place in the queue, while it drops
        # A role's partition and a cut by hand may come together: they take the port one after the other.
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        self._port = listening_socket(self.host, self.port)
        self._port.setblocking(False)
        self._door = "open"
        await self._open_door()
        await self._see_to_the_door()  # what was cut when it was stopped still is

    async def stop(self) -> None:
        """Leave the port and drop every connection."""
        await self._close_door()
        if self._port:
            self._empty_queue()
            self._port.close()
            self._port = None
        for connection in list(self.connections):
            connection.reset()
        await asyncio.sleep(0)  # aborted transports close in the next turn of the loop

    @property
    def silent(self) -> frozenset[Direction]:
        """The directions in which everything is dropped."""
        return frozenset().union(*self.cuts.values())

    async def cut(self, by: str, directions: frozenset[Direction] = BOTH) -> None:
        """Drop everything that travels here in these directions, from now on."""
        async with self._turn:
            self.cuts[by] = directions
            await self._see_to_the_door()
            self._silence()

    async def mend(self, by: str) -> None:
        """Let it through again; open connections go on where they were."""
        async with self._turn:
            if self.cuts.pop(by, None) is not None:
                await self._see_to_the_door()
                self._silence()

    async def refuse(self, by: str) -> None:
        """Refuse every connection, from now on, and reset the open ones."""
        async with self._turn:
            self.refusals.add(by)
            await self._see_to_the_door()

    async def admit(self, by: str) -> None:
        """Take connections again."""
        async with self._turn:
            self.refusals.discard(by)
            await self._see_to_the_door()

    @property
    def state(self) -> str:
        """What becomes of what comes here, in words."""
        if self.cuts:
            return f"drops {'everything' if self.silent == BOTH else ' and '.join(sorted(self.silent))}"
        return "refuses connections" if self.refusals else "lets everything through"

    async def _see_to_the_door(self) -> None:
        wanted: Door = "dropping" if self.cuts else "refusing" if self.refusals else "open"
        if wanted == self._door:
            return
        if self._door == "open":
            await self._close_door()
        elif self._door == "dropping":
            self._empty_queue()
        self._door = wanted
        if wanted == "open":
            await self._open_door()
        elif wanted == "dropping":
            self._fill_queue()
        else:
            self._stop_listening()

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

    async def _open_door(self) -> None:
        assert self._port
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self).near, sock=self._port.dup(), backlog=BACKLOG
        )

    async def _close_door(self) -> None:
        if self._server:
            await stop_accepting(self._server.sockets)
            # Not awaited: since Python 3.12 wait_closed() waits for open connections, and they stay.
            self._server.close()
            self._server = None

    def _fill_queue(self) -> None:
        """Make the queue a single place, and have that taken: whoever comes now hears nothing."""
        assert self._port
        self._port.listen(0)
        # Not waited for: if somebody was quicker the place is taken by him, and this one hears nothing.
        self._taken = socket.socket()
        self._taken.setblocking(False)
        self._taken.connect_ex((self.host, self.port))

    def _stop_listening(self) -> None:
        """Keep the port, and have the kernel refuse whoever comes; those who are here are reset."""
        assert self._port
        self._port.shutdown(socket.SHUT_RDWR)
        for connection in list(self.connections):
            connection.reset()

    def _empty_queue(self) -> None:
        """Reset whoever stands in it; one that does not listen has nobody."""
        assert self._port
        if self._taken:
            self._taken.close()
            self._taken = None
        with suppress(OSError):  # until nobody is left
            while True:
                waiting, _ = self._port.accept()
                waiting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                waiting.close()
