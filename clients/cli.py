"""``cmemu client``: one simulated client against a management point, until it is interrupted."""

from __future__ import annotations

import asyncio
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emulator.ending_signals import hear_of_ending
from emulator.errors import ConfigMgrError

if TYPE_CHECKING:
    from clients.client import SimulatedClient
    from emulator.clock import Clock

JOURNAL = "journal.jsonl"  # in the client's folder; its next life goes on in it


def client_command(
    mp: Annotated[str, typer.Option(help="URL of the management point, such as http://127.0.0.1:8080")],
    site_code: Annotated[str, typer.Option(help="three letters or digits")] = "S01",
    name: Annotated[str, typer.Option(help="NetBIOS name of the computer to be")] = "PC01",
    data: Annotated[
        Path, typer.Option(help="the client's folder; the same folder is the same client")
    ] = Path("cmemu-client"),
    speed: Annotated[
        float, typer.Option(envvar="CMEMU_SPEED", min=0.001, help="site seconds per real second")
    ] = 1.0,
    clock_origin: Annotated[
        float | None,
        typer.Option(
            envvar="CMEMU_CLOCK_ORIGIN", help="where site time began, seconds since 1970; now if left out"
        ),
    ] = None,
    by_hostname: Annotated[
        bool, typer.Option("--by-hostname", help="take this machine's name: many containers, one command")
    ] = False,
    once: Annotated[bool, typer.Option(help="one round of everything, then end")] = False,
    clock_of: Annotated[
        Path | None, typer.Option(help="data folder of a site on this machine: follow its clock")
    ] = None,
    log_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="CMEMU_LOG_DIR",
            help="write the client's logs here, in a folder named like it, for CMTrace",
        ),
    ] = None,
) -> None:
    """Run one simulated client against a management point; its history stands in its folder."""
    from clients.client import SimulatedClient
    from clients.printed_history import PrintedHistory
    from clients.settings import ClientSettings
    from emulator.clock import Clock, ClockSettings, real_time
    from emulator.cmtrace import logs_in

    name = socket.gethostname().partition(".")[0][:15] if by_hostname else name
    settings = ClientSettings(
        name=name, management_point=mp, site_code=site_code, data=data / name, schedules_enabled=not once
    )
    own = Clock(ClockSettings(speed=speed, real_origin=clock_origin or real_time()))
    clock = _clock_of(clock_of, name) if clock_of else own
    settings.data.mkdir(parents=True, exist_ok=True)
    history = PrintedHistory(clock, settings.data / JOURNAL)
    try:
        with logs_in(log_dir) if log_dir else nullcontext():
            client = SimulatedClient(settings, clock, history)
            refused = asyncio.run(_one_round(client) if once else _until_interrupted(client))
    except ConfigMgrError as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    finally:
        history.close()
    if refused:
        raise typer.Exit(1)


def _clock_of(site: Path, name: str) -> Clock:
    """This client's own clock, which does as the site's."""
    from emulator.clock_file import FILE_NAME, follow, read_clock

    file = site / FILE_NAME
    if read_clock(file) is None:
        typer.echo(f"cmemu client: {file}: there is no clock of a site", err=True)
        raise typer.Exit(2)
    return follow(file, name)


async def _one_round(client: SimulatedClient) -> int:
    """Everything once; what is refused does not keep a client from the rest. Returns how much was."""
    await client.start()
    refused = 0
    try:
        for step in (
            client.register,
            client.refresh_policy,
            client.execution_manager.retry_waiting,
            client.discovery_agent.heartbeat,
            client.inventory_agent.collect_hardware,
            client.inventory_agent.collect_software,
        ):
            try:
                await step()
            except ConfigMgrError as exc:
                refused += 1
                typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        result = await client.messaging.flush()
        typer.echo(f"{client.smsid}: {result.sent} messages sent, {result.held} held")
        return refused + result.held
    finally:
        await client.stop()


async def _until_interrupted(client: SimulatedClient) -> int:
    ended = asyncio.Event()
    hear_of_ending(lambda number: ended.set())
    await client.start()
    try:
        await ended.wait()
    finally:
        await client.stop()
    return 0
