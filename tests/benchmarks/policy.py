"""Policy polls and policy bodies against a bare aiohttp handler: ``python -m tests.benchmarks.policy``.

The management point is a process of its own on one core, and so is the bare handler; the load generator and
PostgreSQL have the other core. The same request bytes go to both (to the bare one as a ``POST``: it has
aiohttp's C parser), and the same reply bytes come back. They are measured by turns, in one run.

With ``--profile`` the management point runs in this process for a few seconds, and a profile says where its
time goes.

Where the time goes stands in NOTES at the end of this file, and is printed when a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import http.client
import os
import pstats
import random
import statistics
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from emulator.addresses import free_port, own_hosts
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_reply, encode_message
from emulator.protocol.names import new_guid
from emulator.protocol.policy import ReplyAssignments, RequestAssignments
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.signing import Signer, create_signer
from emulator.settings import RoleAddress
from emulator.site import Site
from emulator.topology import Topology, read_topology
from fixtures.administrator import Administrator
from fixtures.packages import PackageSource
from tests.benchmarks.load import WARM_UP, measure, write_requests

SERVER_CORE, OTHER_CORE = 0, 1
CLIENTS = 16
SECONDS, TURNS = 3.0, 3
GOALS = {"policy poll": 0.25, "cached body": 0.70}


def topology() -> Topology:
    """A site that asks nobody to approve a client."""
    return read_topology(
        {
            "name": "benchmark",
            "site_code": "S01",
            "computer": [
                {"name": "SITE", "roles": ["site_server", "site_database"]},
                {"name": "MP1", "roles": ["management_point", "distribution_point"]},
            ],
            "security": {"client_approval": "all"},
        }
    )


class Poller:
    """One registered client that knows everything already: its next poll is always the same bytes."""

    def __init__(self, mp: RoleAddress, number: int) -> None:
        self.mp = mp
        self.name = f"PC{number:03}"
        self.rng = random.Random(number)
        self.signer: Signer = create_signer("ConfigMgr Client", datetime.now(UTC))
        self.smsid = ""
        self.policy_path = ""

    def message(self, endpoint: str, text: str) -> Message:
        return Message(
            message_id=f"{{{new_guid(self.rng)}}}",
            source_id=self.smsid,
            source_host=self.name,
            target_endpoint=endpoint,
            body_text=text,
            sent_time=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )

    def send(self, body: bytes) -> str:
        connection = http.client.HTTPConnection(self.mp.host, self.mp.port, timeout=30)
        connection.request("CCM_POST", "/ccm_system/request", body, {"Content-Type": CONTENT_TYPE})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status} {content!r}")
        return decode_reply(reply.headers["Content-Type"], content)

    def register(self) -> None:
        request = ClientRegistrationRequest(
            smsid="",
            agent_version="4.00.6487.2000",
            timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            signing=self.signer.certificate,
            encryption=self.signer.certificate,
            netbios_name=self.name,
            fqdn=f"{self.name.lower()}.lab.test",
        )
        reply = self.send(encode_message(self.message("MP_ClientRegistration", request.to_xml(self.signer))))
        self.smsid = ClientRegistrationResponse.from_xml(reply).smsid

    def poll(self, cookie: str = "") -> bytes:
        request = RequestAssignments(
            client_id=self.smsid, fqdn=f"{self.name}.lab.test", netbios_name=self.name, site_code="S01"
        )
        if cookie:
            request = replace(request, request_type="OnUpdate", server_cookie=cookie)
        return encode_message(self.message("MP_PolicyManager", request.to_xml()), self.signer)

    def catch_up(self) -> bytes:
        """The poll that finds nothing new."""
        full = ReplyAssignments.from_xml(self.send(self.poll()))
        for assigned in full.assignments:
            self.policy_path = f"/SMS_MP/.sms_pol?{assigned.policy.to_query()}"
        poll = self.poll(full.server_cookie)
        told = ReplyAssignments.from_xml(self.send(poll))
        return poll if told.reply_type == "OnUpdate" and not told.assignments else b""


def http_request(verb: str, path: str, mp: RoleAddress, body: bytes = b"") -> bytes:
    head = f"{verb} {path} HTTP/1.1\r\nHost: {mp.host}:{mp.port}\r\n"
    head += "User-Agent: ConfigMgr Messaging HTTP Sender\r\n"
    if body:
        head += f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def fetch(mp: RoleAddress, verb: str, path: str, body: bytes = b"") -> tuple[bytes, str]:
    connection = http.client.HTTPConnection(mp.host, mp.port, timeout=30)
    connection.request(verb, path, body or None, {"Content-Type": CONTENT_TYPE} if body else {})
    reply = connection.getresponse()
    content = reply.read(), reply.headers["Content-Type"]
    connection.close()
    return content


class Bare:
    """The bare handler with these very bytes, while the block runs."""

    def __init__(self, file: Path, content: tuple[bytes, str]) -> None:
        file.write_bytes(content[0])
        self.file, self.kind = file, content[1]
        self.host = own_hosts(1)[0]
        self.port = free_port(self.host)

    async def __aenter__(self) -> Bare:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.bare", str(self.file), self.kind, self.host,
            str(self.port), str(SERVER_CORE), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout
        await self.process.stdout.readline()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.process.kill()
        await self.process.wait()


def server_of(port: int) -> psutil.Process:
    """Which of our processes listens on a port."""
    return next(
        process
        for process in psutil.Process().children(recursive=True)
        if any(c.laddr.port == port and c.status == "LISTEN" for c in process.net_connections("inet"))
    )


def place(mp: RoleAddress) -> None:
    """The management point has a core for itself; every other process of ours has the other one."""
    server = server_of(mp.port)
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        cores = {SERVER_CORE if process == server else OTHER_CORE}
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


async def prepare(site: Site, folder: Path, clients: int) -> tuple[str, list[bytes]]:
    """Clients that know all there is to know: where their policy's body is, and their next polls."""
    mp = site.only("management_point")
    pollers = [Poller(mp, number) for number in range(clients)]
    for poller in pollers:
        await asyncio.to_thread(poller.register)
    async with Administrator(site.url("site_server"), site.secret) as administrator:
        package = await administrator.create_package("Benchmark", PackageSource("benchmark").write(folder, 1))
        await administrator.create_program(package)
        await administrator.distribute(package)
        await administrator.until_installed(package, 1)
        members = [await administrator.resource_id(poller.smsid) for poller in pollers]
        collection = await administrator.create_collection("Pollers", members)
        await administrator.create_advertisement("Benchmark", package, collection)
    polls = []
    async with asyncio.timeout(60):
        for poller in pollers:
            while not (poller.policy_path and (poll := await asyncio.to_thread(poller.catch_up))):
                await asyncio.to_thread(poller.catch_up)
                await asyncio.sleep(0.1)  # the policy provider is still at it
            polls.append(poll)
    return pollers[0].policy_path, polls


async def compare(name: str, folder: Path, mp: RoleAddress, path: str, bodies: list[bytes]) -> float:
    """Print both figures, and return their ratio."""
    verb = "CCM_POST" if bodies[0] else "GET"
    content = await asyncio.to_thread(fetch, mp, verb, path, bodies[0])
    ours = write_requests(folder, f"{name} ours", [http_request(verb, path, mp, body) for body in bodies])
    plain = "POST" if bodies[0] else "GET"
    theirs = write_requests(folder, f"{name} bare", [http_request(plain, path, mp, body) for body in bodies])
    async with Bare(folder / f"{name}.bytes", content) as bare:
        got: list[tuple[float, float]] = []
        spent = [server_of(mp.port), server_of(bare.port)]
        before = [sum(server.cpu_times()[:2]) for server in spent]
        for _ in range(TURNS):
            alone = await measure(bare.host, bare.port, theirs, SECONDS, OTHER_CORE)
            got.append((await measure(mp.host, mp.port, ours, SECONDS, OTHER_CORE), alone))
        seconds = [sum(server.cpu_times()[:2]) - b for server, b in zip(spent, before, strict=True)]
    rates = list(zip(*got, strict=True))
    mine, alone = (statistics.median(column) for column in rates)
    # A machine with other work makes both wait; what a request costs of the core says more then.
    costs = [t * 1e6 / (sum(column) * (SECONDS + WARM_UP)) for t, column in zip(seconds, rates, strict=True)]
    ratio = mine / alone
    print(
        f"{name}: {mine:,.0f} a second, bare handler {alone:,.0f} ({len(content[0])} bytes), "
        f"ratio {ratio:.2f} (goal: at least {GOALS[name]:g}); "
        f"of a core's time {costs[0]:.0f} and {costs[1]:.0f} us a request, {costs[1] / costs[0]:.2f}",
        flush=True,
    )
    if ratio < GOALS[name]:
        print(NOTES[name])
    return ratio


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        async with Site(topology(), mode="processes", journal=0) as site:
            mp = site.only("management_point")
            path, polls = await prepare(site, Path(temporary), CLIENTS)
            place(mp)
            await compare("policy poll", Path(temporary), mp, "/ccm_system/request", polls)
            await compare("cached body", Path(temporary), mp, path, [b""] * CLIENTS)


async def profile() -> None:
    """One management point in this process, under the profiler."""
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        async with Site(topology()) as site:
            mp = site.only("management_point")
            _, polls = await prepare(site, Path(temporary), CLIENTS)
            requests = [http_request("CCM_POST", "/ccm_system/request", mp, poll) for poll in polls]
            file = write_requests(Path(temporary), "profiled", requests)
            profiler = cProfile.Profile()
            profiler.enable()
            rate = await measure(mp.host, mp.port, file, SECONDS, OTHER_CORE)
            profiler.disable()
            print(f"{rate:,.0f} a second under the profiler")
            pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


NOTES = {
    "policy poll": """\
    Where the time of a poll goes, by sampling the process (in parts of a hundred):
      28  aiohttp around the handler: parsing, tasks, writing the reply
      23  understanding the message: multipart, zlib, the header's XML
      13  understanding the request's body
      12  verifying: one RSA signature; that of the identity is remembered
      14  the look-up, one for all polls that come together
      10  the reply, the route, names and times
    The site is measured without a journal; tests.benchmarks.journal says what that costs.""",
    "cached body": """\
    What is left is finding the route, reading the policy's name, and a debug line that nobody hears; the rest
    is aiohttp's, as in the bare handler.""",
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    asyncio.run(profile() if parser.parse_args().profile else main())
