"""The commands of the site itself: ``up`` and ``role``.

They are composed with the clients' and the failure table's into ``cmemu``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from emulator.clock import Clock
from emulator.container import checks_of, run_computer
from emulator.ending_signals import hear_of_ending
from emulator.enrolment import enrol
from emulator.errors import CannotStart
from emulator.health import write_checks
from emulator.logs import lines_to
from emulator.pki import Pki
from emulator.placed_site import PKI
from emulator.placement import settings_of
from emulator.protocol.client_certificates import CERTIFICATES
from emulator.protocol.names import fqdn
from emulator.role_process import read_settings, run_role
from emulator.settings import DATABASES
from emulator.site import Mode, Site
from emulator.topology import Topology

Beside = Callable[[Site], AbstractAsyncContextManager[dict[str, str]]]


@asynccontextmanager
async def _nothing(_: Site) -> AsyncIterator[dict[str, str]]:
    yield {}


async def up(
    topology: Topology,
    *,
    mode: Mode = "in-process",
    data: Path | None = None,
    env_file: Path | None = None,
    speed: float | None = None,
    dsn: str | None = None,
    links: bool = False,
    log_dir: Path | None = None,
    beside: Beside | None = None,
    listen: str | None = None,
    public_host: str = "localhost",
    secret: str | None = None,
) -> None:
    """Run a site until SIGINT, SIGTERM or SIGHUP; print its addresses when every role answers.

    ``beside``: what else runs as long as the site, and its addresses as shell variables. ``log_dir``: where
    roles in processes of their own write their logs; for those in this process, the caller holds ``logs_in``.
    """
    ending = asyncio.Event()
    hear_of_ending(lambda number: ending.set())
    site = Site(
        topology,
        mode=mode,
        data=data,
        speed=speed,
        dsn=dsn,
        links=links,
        log_dir=log_dir,
        listen=listen,
        public_host=public_host,
        secret=secret,
    )
    async with site, (beside or _nothing)(site) as more:
        print(f"site {site.site_code} ({topology.name}, {mode}) is up", flush=True)
        for address in site.roles.values():
            where = site.database_of(address.name) if address.kind in DATABASES else site.url(address.name)
            if listen and address.public:
                where = address.public
            print(f"  {address.computer:<15} {address.name:<22} {where}")
        for name, value in more.items():
            print(f"  export {name}={value}")
        if site.native:
            print(f"  native mode: a client needs certificates, `cmemu enrol NAME --site-data {site.data}`")
        print(f"  data in {site.data}; secret {site.secret}\nCtrl-C ends it.", flush=True)
        if env_file:
            others = "".join(f"{name}={value}\n" for name, value in more.items())
            env_file.write_text(environment(site) + others, encoding="utf-8")
        if listen:
            write_checks(site.data, checks_of(list(site.roles.values()), site.secret))
        await ending.wait()


def environment(site: Site) -> str:
    """The site's addresses as shell variables; none that `cmemu up` reads: a second one is another site."""
    lines = [
        f"CMEMU_SITE_CODE={site.site_code}",
        f"CMEMU_SITE_SECRET={site.secret}",
        f"CMEMU_SITE_DATA={site.data}",
        f"CMEMU_SITE_DATABASE={site.dsn}",
    ]
    for address in site.roles.values():
        if address.kind not in DATABASES:
            lines.append(f"CMEMU_{address.name.upper()}={site.url(address.name)}")
    return "\n".join(lines) + "\n"


def enrol_computer(site_data: Path, name: str, data: Path) -> Path:
    """Put a computer's certificates into its client's folder; returns where they lie.

    Raises:
        CannotStart: that is no site's folder, or the client's cannot be written.
    """
    if not (site_data / PKI).is_dir():
        raise CannotStart(f"{site_data}: no site has its certificates here; `cmemu up` prints the folder")
    enrol(Pki(site_data / PKI, Clock()), fqdn(name), data / CERTIFICATES)
    return data / CERTIFICATES


async def role(settings_file: Path) -> None:
    """Run one role in this process until it is told to end."""
    with lines_to(None):
        await run_role(read_settings(settings_file))


async def computer(topology: Topology, target: str, data: Path) -> None:
    """Run the roles of one computer of a site, placed by this process's environment."""
    with lines_to(None):
        await run_computer(settings_of(topology, target, data, os.environ), data)
