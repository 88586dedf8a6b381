"""How long a backlog of reports takes to reach the site database: ``python -m tests.benchmarks.backlog``.

Twice: the reports wait in the management point's outboxes while the site server is away, then in the site
server's inboxes while the site database is. Measured is from the word "heal" to the last receipt; what it
takes to start the role again is part of it. Roles run in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.management_point.outboxes import Outboxes
from emulator.process_host import ProcessHost
from emulator.protocol.report_file import ReportFile
from emulator.site import Site
from fixtures.scenario.keys import KeyPool
from fixtures.scenario.reporting import collect_all
from fixtures.scenario.whereabouts import Whereabouts
from fixtures.topologies import find_topology

GOAL = 10.0  # seconds
CLIENTS = 100
SPEED = 240.0  # site seconds a second: the management point's 30 s between attempts become an eighth


async def start_clients(site: Site, folder: Path) -> list[SimulatedClient]:
    """Registered clients; whom the site knows, its loaders take reports from."""
    keys = KeyPool()
    await keys.fill(("shared",))
    clients = []
    for number in range(CLIENTS):
        settings = ClientSettings(
            name=f"PC{number:03}",
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=folder / f"PC{number:03}",
            schedules_enabled=False,
        )
        keys.give("shared", settings.data, site.clock.now())
        clients.append(SimulatedClient(settings, site.clock, site.history))
        await clients[-1].start()
        await clients[-1].register()
    return clients


async def fill_outboxes(site: Site, clients: list[SimulatedClient], reports: int) -> int:
    """Put reports of all kinds where the management point puts what it accepts, clients by turns.

    The management point must not run meanwhile. Returns how many there are.
    """
    outboxes = Outboxes(site.folder("management_point") / "outboxes")
    put = 0
    for client in itertools.cycle(clients):
        await collect_all(client)
        for entry in client.messaging._spool.entries():
            message = client.messaging._read(entry)
            await outboxes.put(
                ReportFile(message.kind, message.message_id, client.smsid, message.body, site.clock.now())
            )
            client.messaging._spool.remove(entry)
            put += 1
        if put >= reports:
            return put
    raise AssertionError("clients came to an end")


async def until_loaded(site: Site, reports: int, seconds: float = 600.0) -> None:
    """Raises TimeoutError: they are not all in the site database after so many seconds."""
    async with asyncio.timeout(seconds), site.database(timeout=10.0) as database:
        while await database.fetchval("SELECT count(*) FROM InboxReceipt") < reports:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_at_site_server(site: Site, reports: int) -> None:
    async with asyncio.timeout(600), site.database() as database:
        whereabouts = Whereabouts(site, database)
        while sum(whereabouts.inboxes().values()) < reports:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def measure(where: str, reports: int) -> float:
    """Seconds from healing to the last receipt."""
    with tempfile.TemporaryDirectory(prefix="cmemu-backlog-") as folder:
        async with Site(find_topology("four-computers"), mode="processes", speed=SPEED) as site:
            clients = await start_clients(site, Path(folder))
            await site.break_("management_point", "stopped")
            away = "site_server" if where == "management point" else "site_database"
            put = await fill_outboxes(site, clients, reports)
            before = await _receipts(site)
            await site.break_(away, "stopped")
            began = time.perf_counter()
            await site.heal("management_point")
            if away == "site_database":
                await until_at_site_server(site, put)
                print(f"from the outboxes to the inboxes: {time.perf_counter() - began:.1f} s", flush=True)
            began = time.perf_counter()
            await site.heal(away)
            back = time.perf_counter() - began
            used = cpu_seconds(site)
            await until_loaded(site, before + put)
            took = time.perf_counter() - began
            busy = ", ".join(f"{name} {now - used[name]:.1f} s" for name, now in cpu_seconds(site).items())
            for client in clients:
                await client.stop()
            print(
                f"{put} reports at the {where}: {took:.1f} s, goal {GOAL:g} s (of it {back:.1f} s until the "
                f"{away.replace('_', ' ')} was back; processors then: {busy})",
                flush=True,
            )
            return took


def cpu_seconds(site: Site) -> dict[str, float]:
    """Processor time that each process of a role has used: what a busy machine does not spoil."""
    used = {}
    for name, host in site._hosts.items():
        if isinstance(host, ProcessHost) and host._process:
            times = Path(f"/proc/{host._process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            used[name] = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return used


async def _receipts(site: Site) -> int:
    async with site.database() as database:
        return int(await database.fetchval("SELECT count(*) FROM InboxReceipt"))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=10_000)
    arguments = parser.parse_args()
    took = [await measure(where, arguments.reports) for where in ("management point", "site server")]
    return 0 if max(took) < GOAL else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
