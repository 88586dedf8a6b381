"""Network Load Balancing, stood in for: several management points behind one address.

The real thing has no box of its own: every host of the cluster sees every packet, and one of them takes
it. Here a relay on the cluster's address chooses the member, with single affinity: one client address
always meets the same member as long as that one is in the cluster. It moves bytes and reads none of them.

A member is in the cluster while its management point answers a test (MP Control Manager watches balanced
management points with such a request); an error of the role's own is an answer, HTTP 503 is none. The
test asks for nothing that needs the site database: without that all members are equally good. When a
member leaves, connections to it are reset, as hosts do that get the packets of connections they never saw.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from emulator.errors import CannotStart
from emulator.listening import BACKLOG, stop_accepting

HEARTBEAT = 0.5  # real seconds between two tests; the cluster's own heartbeat takes a second
SILENCE = 2.0  # real seconds without an answer after which a member is taken to be away
_TEST = b"GET /SMS_MP/.sms_aut?MPCERT HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\n\r\n"
_CHUNK = 64 * 1024


@dataclass
class Member:
    """One management point of the cluster, where the balancer reaches it."""

    name: str
    host: str
    port: int
    inside: bool = True
    tests: int = 0  # that were begun
    heard: int = 0  # which of them was the last to say something
    writers: set[asyncio.StreamWriter] = field(default_factory=set)  # both ends of its connections


class LoadBalancer:
    """Listens on the cluster's address and gives each connection to one member."""

    def __init__(
        self,
        host: str,
        port: int,
        members: Sequence[Member],
        changed: Callable[[str, bool], None] = lambda member, inside: None,
    ) -> None:
        """``changed``: told when a member leaves the cluster or comes back."""
        self.host, self.port = host, port
        self.members = tuple(members)
        self._changed = changed
        self._server: asyncio.Server | None = None
        self._heart: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- its life --------------------------------------------------------------------

    async def start(self) -> None:
        """Open the cluster's address.

        Raises:
            CannotStart: the port is taken.
        """
        try:
            self._server = await asyncio.start_server(
                self._came, self.host, self.port, backlog=BACKLOG, reuse_address=True
            )
        except OSError as exc:
            raise CannotStart(f"{self.host}:{self.port} cannot be opened ({exc.strerror})") from exc
        self._heart = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Leave the address and drop every connection."""
        if self._server:
            await stop_accepting(self._server.sockets)
            self._server.close()
            self._server = None
        if self._heart:
            self._tasks.add(self._heart)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members:
            _reset(member)
        await asyncio.sleep(0)  # aborted transports close in the next turn of the loop

    # -- who is in the cluster -----------------------------------------------------------

    async def converge(self) -> None:
        """Test every member now; returns when the cluster knows who is in it."""
        await asyncio.gather(*(self._test(member) for member in self.members))

    async def _beat(self) -> None:
        while True:
            await self.converge()
            await asyncio.sleep(HEARTBEAT)

    async def _test(self, member: Member) -> None:
        member.tests += 1
        number, inside = member.tests, False
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(SILENCE):
                inside = await _answers(member)
        if number < member.heard:
            return  # it was begun before one that has ended, and says what was then
        member.heard = number
        if inside != member.inside:
            member.inside = inside
            self._changed(member.name, inside)
            if not inside:
                _reset(member)

    def in_order(self, client: str) -> list[Member]:
        """The members as a client's address ranks them, those in the cluster first."""
        ranked = sorted(self.members, key=lambda m: hashlib.sha256(f"{client} {m.name}".encode()).digest())
        return sorted(ranked, key=lambda m: not m.inside)

    # -- connections -------------------------------------------------------------------

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's for a coroutine callback complains aloud when it is cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._relay(reader, writer)
        finally:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        for member in self.in_order(client):
            try:
                there, back = await asyncio.open_connection(member.host, member.port)
            except OSError:
                continue  # it has just gone: the next one takes the connection, and the test will find out
            ends = {writer, back}
            member.writers |= ends
            try:
                await _both(_pump(reader, back), _pump(there, writer))
            finally:
                member.writers -= ends
                back.transport.abort()
            return


async def _both(*pumps: Awaitable[None]) -> None:
    """Until both directions have ended, or one of them broke: then nobody waits for the other."""
    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for pump in pumps:
                group.create_task(_run(pump))


async def _run(pump: Awaitable[None]) -> None:
    await pump


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _answers(member: Member) -> bool:
    reader, writer = await asyncio.open_connection(member.host, member.port)
    try:
        writer.write(_TEST)
        status = (await reader.readline()).split(b" ")
        return len(status) > 1 and status[1] != b"503"
    finally:
        writer.transport.abort()


def _reset(member: Member) -> None:
    for writer in list(member.writers):
        writer.transport.abort()
