"""A link with a target behind it that speaks just enough HTTP, and somebody who asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from emulator.addresses import free_port, own_hosts
from emulator.faults.link import Arrow, Link
from emulator.faults.registry import read_fault
from emulator.faults.wire_fault import Planned, WireFault

(HOST,) = own_hosts(1)
BODY = bytes(range(256)) * 4


class Site:
    """What the site knows, by heart."""

    def __init__(self) -> None:
        self.clients: dict[str, str] = {}
        self.policies: dict[str, str] = {}

    async def client_name(self, smsid: str) -> str:
        return self.clients.get(smsid, "")

    async def policy_category(self, policy_id: str) -> str:
        return self.policies.get(policy_id, "")


def http_reply(body: bytes = BODY, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def http_request(path: str = "/", body: bytes = b"", *headers: str, verb: str = "GET") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{verb} {path} HTTP/1.1", "Host: here", *length, *headers, "", ""]).encode() + body


@dataclass
class Relay:
    """The link, its target, and what the target was asked."""

    link: Link
    http: bool = True
    site: Site = field(default_factory=Site)
    reply: bytes = field(default_factory=http_reply)
    asked: list[bytes] = field(default_factory=list)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # how connections end at the target
    numbers: int = 0

    def plan(self, kind: str, **settings: Any) -> Planned:
        fault = read_fault({"kind": kind, "on": "clients -> management_point", **settings})
        assert isinstance(fault, WireFault)
        self.numbers += 1
        return Planned(f"{kind}-{self.numbers}", fault, self.site)

    async def set(self, kind: str, **settings: Any) -> Planned:
        planned = self.plan(kind, **settings)
        await self.link.set(planned)
        return planned

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.link.host, self.link.port)

    async def ask(self, request: bytes = b"") -> bytes:
        """Everything that comes back on a connection of its own, which the target closes."""
        reader, writer = await self.connect()
        writer.write(request or http_request("/", b"", "Connection: close"))
        try:
            async with asyncio.timeout(20):
                return await reader.read()
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        how = "closed"
        try:
            while head := await self._head(reader):
                writer.write(self.reply)
                await writer.drain()
                if b"connection: close" in head.lower():
                    break
            writer.write_eof()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            how = type(exc).__name__
        finally:
            self.ended.put_nowait(how)
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        """One request, head and body; empty when there is no more. Without HTTP: whatever comes."""
        if not self.http:
            request = await reader.read(65536)
        else:
            try:
                request = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as exc:
                return exc.partial
            lengths = [x for x in request.lower().split(b"\r\n") if x.startswith(b"content-length:")]
            if lengths:
                request += await reader.readexactly(int(lengths[0].partition(b":")[2]))
        if request:
            self.asked.append(request)
        return request


async def start_relay(*, http: bool = True) -> tuple[Relay, asyncio.Server]:
    arrow = Arrow("clients", "management_point") if http else Arrow("management_point", "site_database")
    relay = Relay(Link(arrow, HOST, free_port(HOST), (HOST, 0), http=http), http)
    server = await asyncio.start_server(relay.serve, HOST, 0)
    relay.link.to = (HOST, server.sockets[0].getsockname()[1])
    await relay.link.start()
    return relay, server
