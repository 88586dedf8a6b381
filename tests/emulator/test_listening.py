"""Whoever is accepted while a port is left is met by the protocol that answers there."""

import asyncio
import gc
import socket
import warnings

import pytest

from emulator.addresses import own_hosts
from emulator.listening import listening_socket, stop_accepting

(HOST,) = own_hosts(1)


class Met(asyncio.Protocol):
    """Counts whom it meets, and drops them."""

    def __init__(self, met: list[asyncio.BaseTransport]) -> None:
        self._met = met

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._met.append(transport)
        transport.close()


@pytest.mark.parametrize("turns", range(6))
async def test_nobody_is_forgotten_between_acceptance_and_handing_over(turns: int) -> None:
    met: list[asyncio.BaseTransport] = []
    listener = listening_socket(HOST, 0)
    server = await asyncio.get_running_loop().create_server(lambda: Met(met), sock=listener)
    with warnings.catch_warnings(record=True) as forgotten:
        warnings.simplefilter("always", ResourceWarning)
        with socket.create_connection(listener.getsockname(), timeout=1):
            for _ in range(turns):  # the loop accepts and hands over somewhere in these
                await asyncio.sleep(0)
            await stop_accepting(server.sockets)
            server.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gc.collect()
    assert not [str(each.message) for each in forgotten]


async def test_after_it_nobody_new_is_accepted() -> None:
    met: list[asyncio.BaseTransport] = []
    listener = listening_socket(HOST, 0)
    server = await asyncio.get_running_loop().create_server(lambda: Met(met), sock=listener)
    await stop_accepting(server.sockets)
    with socket.create_connection(listener.getsockname(), timeout=1):
        for _ in range(6):
            await asyncio.sleep(0)
    server.close()
    assert not met
