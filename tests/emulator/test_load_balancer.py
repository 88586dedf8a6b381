"""Several servers behind one address: who is met, and what happens to connections when one goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from emulator.addresses import free_port, own_hosts
from emulator.errors import CannotStart
from emulator.load_balancer import LoadBalancer, Member

CLIENTS = [f"127.0.0.{n}" for n in range(2, 34)]


class Server:
    """Answers the cluster's test with a status, and every other line with its own name."""

    def __init__(self, name: str, host: str) -> None:
        self.name, self.host, self.port = name, host, free_port(host)
        self.status = b"200"
        self.silent = False  # reads, and never answers
        self.asked_in_vain = asyncio.Event()
        self.in_vain: set[asyncio.Task[None]] = set()  # those who serve whoever asked in vain
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._came, self.host, self.port)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if self.silent:
                    self.asked_in_vain.set()
                    self.in_vain.add(asyncio.current_task())  # type: ignore[arg-type]
                    continue
                test = line.startswith(b"GET ")
                writer.write(b"HTTP/1.1 " + self.status + b" x\r\n" if test else self.name.encode() + b"\n")
                await writer.drain()
            writer.write(b"bye\n")  # half closed: what it still has to say arrives
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass  # whoever came has gone
        finally:
            writer.transport.abort()


class Cluster:
    """Two servers and what stands before them."""

    def __init__(self) -> None:
        hosts = own_hosts(3)
        self.servers = {name: Server(name, host) for name, host in zip(("one", "two"), hosts, strict=False)}
        self.changes: list[tuple[str, bool]] = []
        members = [Member(s.name, s.host, s.port) for s in self.servers.values()]
        port = free_port(hosts[2])
        self.balancer = LoadBalancer(hosts[2], port, members, lambda *change: self.changes.append(change))

    async def open(self, client: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        at = self.balancer
        return await asyncio.open_connection(at.host, at.port, local_addr=(client, 0))

    async def met(self, client: str) -> str:
        """Which server a client meets now; empty when nobody answers."""
        reader, writer = await self.open(client)
        try:
            writer.write(b"who\n")
            return (await reader.readline()).decode().strip()
        except ConnectionError:
            return ""
        finally:
            writer.close()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    for server in made.servers.values():
        await server.start()
    await made.balancer.start()
    yield made
    await made.balancer.stop()
    for server in made.servers.values():
        await server.stop()


async def everybody(cluster: Cluster) -> dict[str, str]:
    return {client: await cluster.met(client) for client in CLIENTS}


async def test_one_client_meets_one_member_and_all_together_meet_both(cluster: Cluster) -> None:
    first = await everybody(cluster)
    assert set(first.values()) == {"one", "two"}
    assert await everybody(cluster) == first


async def stopped(server: Server) -> None:
    await server.stop()


async def unavailable(server: Server) -> None:
    server.status = b"503"


@pytest.mark.parametrize("goes", [stopped, unavailable])
async def test_when_a_member_goes_its_clients_meet_the_other_and_come_back_later(
    cluster: Cluster, goes: Callable[[Server], Awaitable[None]]
) -> None:
    before = await everybody(cluster)
    await goes(cluster.servers["one"])
    await cluster.balancer.converge()
    assert set((await everybody(cluster)).values()) == {"two"}
    cluster.servers["one"].status = b"200"
    await cluster.servers["one"].stop()
    await cluster.servers["one"].start()
    await cluster.balancer.converge()
    assert await everybody(cluster) == before
    assert cluster.changes == [("one", False), ("one", True)]


async def test_an_error_of_the_members_own_is_an_answer(cluster: Cluster) -> None:
    cluster.servers["one"].status = b"500"
    await cluster.balancer.converge()
    assert all(member.inside for member in cluster.balancer.members)


async def test_a_silent_member_leaves_and_its_connections_are_reset(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = next(c for c, name in (await everybody(cluster)).items() if name == "one")
    reader, writer = await cluster.open(client)
    writer.write(b"who\n")
    assert await reader.readline() == b"one\n"
    cluster.servers["one"].silent = True
    monkeypatch.setattr("emulator.load_balancer.SILENCE", 1.0)
    await cluster.balancer.converge()
    async with asyncio.timeout(10.0):  # a reset, or the end: the client knows, and need not wait
        with suppress(ConnectionError):
            assert await reader.read() == b""
    assert await cluster.met(client) == "two"
    writer.close()


async def test_a_test_that_began_in_an_outage_says_nothing_of_the_time_after_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.load_balancer.SILENCE", 4.0)
    server = cluster.servers["one"]
    server.silent = True
    old = asyncio.create_task(cluster.balancer.converge())
    await server.asked_in_vain.wait()  # by this test, or by the heart's
    server.silent = False
    await cluster.balancer.converge()
    await asyncio.wait(server.in_vain)  # given up by who asked
    await old
    assert cluster.changes == []


async def test_a_member_that_has_just_gone_costs_no_connection(cluster: Cluster) -> None:
    client = next(c for c, name in (await everybody(cluster)).items() if name == "one")
    await cluster.servers["one"].stop()
    assert await cluster.met(client) == "two"


async def test_with_nobody_inside_connections_end(cluster: Cluster) -> None:
    for server in cluster.servers.values():
        await server.stop()
    await cluster.balancer.converge()
    assert await cluster.met(CLIENTS[0]) == ""


async def test_a_half_closed_connection_still_brings_the_answer(cluster: Cluster) -> None:
    reader, writer = await cluster.open(CLIENTS[0])
    writer.write(b"who\n")
    writer.write_eof()
    assert (await reader.read()).endswith(b"bye\n")
    writer.close()


async def test_a_taken_port_is_said(cluster: Cluster) -> None:
    at = cluster.balancer
    with pytest.raises(CannotStart, match=f"{at.port} cannot be opened"):
        await LoadBalancer(at.host, at.port, at.members).start()
