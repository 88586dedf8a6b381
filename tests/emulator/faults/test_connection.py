"""A relayed connection: what is said to a side that has gone is dropped in silence."""

from __future__ import annotations

import asyncio
import socket

import pytest

from emulator.addresses import free_port
from emulator.faults.connection import Connection
from emulator.faults.link import Arrow, Link


async def test_nobody_writes_to_a_side_that_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    host = "127.0.0.1"
    link = Link(Arrow("clients", "nobody"), host, free_port(host), (host, free_port(host)))
    near = Connection(link).near
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    near.transport = transport
    for _ in range(8):  # in one turn of the loop; asyncio counts the failures, and complains of the sixth
        near.write(b"word")
    assert transport.is_closing()
    assert "socket.send() raised exception" not in caplog.text
