"""A link relays every byte, and a cut one behaves like a network that drops packets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from collections.abc import AsyncIterator

import pytest

from emulator.addresses import free_port, own_hosts
from emulator.faults.link import Arrow, Link

(HOST,) = own_hosts(1)
PATIENCE = 0.3  # real seconds of silence that count as silence


class Echo:
    """Sends back what it is sent, and remembers how a connection ended."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write(b"end")
            self.ended.put_nowait("closed")
        except ConnectionError:
            self.ended.put_nowait("reset")
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    await echo.start()
    yield echo
    await echo.stop()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    link = Link(Arrow("clients", "management_point"), HOST, free_port(HOST), (HOST, echo.port))
    await link.start()
    yield link
    await link.stop()


async def knock(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(link.host, link.port)


async def answers(link: Link) -> bool:
    """Whether what is said on a new connection comes back."""
    reader, writer = await knock(link)
    writer.write(b"word")
    try:
        return await reader.readexactly(4) == b"word"
    finally:
        writer.close()


async def silent(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_every_byte_arrives_both_ways(link: Link) -> None:
    reader, writer = await knock(link)
    sent = random.Random(1).randbytes(3_000_000)
    received = hashlib.sha256()

    async def receive() -> int:
        count = 0
        while count < len(sent) + 3:
            data = await reader.read(65536)
            received.update(data)
            count += len(data)
        return count

    receiving = asyncio.create_task(receive())
    writer.write(sent)
    await writer.drain()
    writer.write_eof()  # half closed: the answers still come
    assert await receiving == len(sent) + 3
    assert received.digest() == hashlib.sha256(sent + b"end").digest()
    writer.close()


async def test_who_knocks_at_a_cut_link_waits(link: Link) -> None:
    await link.cut("test")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await knock(link)
    await link.mend("test")
    _, writer = await knock(link)
    writer.close()


async def test_a_link_is_cut_though_somebody_knocks_in_that_moment(link: Link) -> None:
    stranger = socket.create_connection((link.host, link.port))  # nobody has met him yet
    await link.cut("a test")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await knock(link)
    await link.mend("a test")
    assert await answers(link)
    stranger.close()


async def test_a_link_is_cut_and_mended_while_a_process_is_being_started(link: Link) -> None:
    assert link._server
    # What a child has between its fork and its exec: everything that was open.
    inherited = [os.dup(listener.fileno()) for listener in link._server.sockets]
    try:
        for _ in range(2):
            await link.cut("a test")
            await link.mend("a test")
    finally:
        for each in inherited:
            os.close(each)
    assert await answers(link)


async def test_an_open_connection_goes_silent_and_then_goes_on(link: Link, echo: Echo) -> None:
    reader, writer = await knock(link)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    await link.cut("test")
    writer.write(b"two")
    assert await silent(reader)
    assert echo.ended.empty()
    await link.mend("test")
    assert await reader.readexactly(3) == b"two"
    writer.close()
    assert await echo.ended.get() == "closed"


async def test_a_link_cut_twice_is_mended_when_both_have_let_go(link: Link) -> None:
    reader, writer = await knock(link)
    await link.cut("a")
    await link.cut("b")
    writer.write(b"x")
    await link.mend("a")
    assert await silent(reader)
    await link.mend("b")
    assert await reader.readexactly(1) == b"x"
    writer.close()


async def test_a_link_refuses_who_comes_and_resets_who_is_there(link: Link, echo: Echo) -> None:
    reader, writer = await knock(link)
    writer.write(b"x")
    await reader.readexactly(1)
    await link.refuse("test")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    assert await echo.ended.get() == "reset"
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await knock(link)
    assert link.state == "refuses connections"
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind((link.host, link.port))  # the port is kept
    await link.admit("test")
    assert await answers(link)
    assert link.state == "lets everything through"
    writer.close()


async def test_a_link_that_refuses_for_two_admits_when_both_have_let_go(link: Link) -> None:
    await link.refuse("a")
    await link.refuse("b")
    await link.admit("a")
    with pytest.raises(ConnectionRefusedError):
        await knock(link)
    await link.admit("b")
    assert await answers(link)


async def test_nothing_is_learnt_of_a_refusal_while_the_link_is_cut(link: Link) -> None:
    reader, writer = await knock(link)
    writer.write(b"x")
    await reader.readexactly(1)
    await link.cut("a")
    await link.refuse("b")
    assert await silent(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await knock(link)
    await link.mend("a")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await knock(link)
    await link.cut("a")
    await link.admit("b")
    await link.mend("a")
    assert await answers(link)
    writer.close()


async def test_a_link_that_refuses_can_be_stopped(link: Link) -> None:
    await link.refuse("test")
    await link.stop()
    with socket.create_server((link.host, link.port)):
        pass  # the port is free
    await link.start()
    with pytest.raises(ConnectionRefusedError):
        await knock(link)
    await link.admit("test")
    assert await answers(link)


async def test_a_reset_is_passed_on(link: Link, echo: Echo) -> None:
    reader, writer = await knock(link)
    writer.write(b"x")
    await reader.readexactly(1)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
    assert await echo.ended.get() == "reset"


async def test_nobody_behind_it_is_seen_as_a_reset(link: Link, echo: Echo) -> None:
    await echo.stop()
    reader, writer = await knock(link)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()


async def test_a_stopped_link_leaves_nothing_open(link: Link, echo: Echo) -> None:
    reader, writer = await knock(link)
    writer.write(b"x")
    await reader.readexactly(1)
    await link.stop()
    assert await echo.ended.get() == "reset"
    with pytest.raises(ConnectionRefusedError):
        await knock(link)
    writer.close()


@pytest.mark.parametrize("turns", range(6))
async def test_who_cuts_while_another_mends_finds_the_port_free(link: Link, turns: int) -> None:
    await link.cut("a role")
    mending = asyncio.create_task(link.mend("a role"))
    for _ in range(turns):
        await asyncio.sleep(0)
    await link.cut("by hand")  # met the port half mended, and the link was lost
    await mending
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await knock(link)
    await link.mend("by hand")
    assert await answers(link)
