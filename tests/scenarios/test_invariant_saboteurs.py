"""An invariant that no broken part can turn red is none: each saboteur is caught by exactly one checker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.client import SimulatedClient
from emulator.history import Event, History
from emulator.site import Site
from fixtures.checkers.invariants import CHECKERS, Limits, check_all, missing_evidence
from fixtures.topologies import find_topology
from tests.patience import PATIENT
from tests.scenarios.saboteurs import client_agents, management_points, site_servers
from tests.scenarios.short_run import MEANT, OTHER, ShortRun, judged, short_run

SPEED = 240.0
SS, MP = "site_server", "management_point"

ROLES: dict[str, tuple[str, type[Any]]] = {
    "nothing_lost": (MP, management_points.DropsReports),
    "nothing_doubled": (SS, site_servers.LoadsTwice),
    "order_kept": (MP, management_points.SendsNewestFirst),
    "only_for_meant": (MP, management_points.HandsOutEverybodysPolicies),
    "administration_possible": (SS, site_servers.AnswersAdministratorsFromMemory),
    "others_unaffected": (MP, management_points.AsksSiteServerForLocations),
}
CLIENTS: dict[str, type[SimulatedClient]] = {
    "policy_versions": client_agents.GoesBackToOlderPolicies,
    "verified_content": client_agents.RunsWhatLiesThere,
    "programs_as_scheduled": client_agents.RunsAgainAndAgain,
}
DRAIN = "backlogs_drain"
SAID = {  # of what each does; red for another reason would be chance
    "nothing_lost": "was acknowledged by the management point and is not in the site database",
    "nothing_doubled": "-AGAIN that the client never sent",
    "order_kept": "and loaded after it",
    "only_for_meant": "which is not meant for it",
    "administration_possible": "was acknowledged while site_database was stopped",
    "others_unaffected": "while only site_server was broken",
    "policy_versions": "went back from 2.00 to 1.00",
    "verified_content": "nobody looked at its files just before",
    "programs_as_scheduled": "ran again after it succeeded",
    DRAIN: "still waits",
}


def red(events: list[Event], limits: Limits | None = None) -> dict[str, list[str]]:
    """What is said, by checker; and each violation shows something."""
    violations = check_all(events, limits=limits or Limits())
    assert all(v.events and str(v) for v in violations)
    found: dict[str, list[str]] = {}
    for violation in violations:
        found.setdefault(violation.checker, []).append(violation.sentence)
    return found


@asynccontextmanager
async def running(folder: Path, **parts: type[Any]) -> AsyncIterator[tuple[Site, ShortRun]]:
    async with (
        Site(find_topology("four-computers"), speed=SPEED, parts=parts or None, **PATIENT) as site,
        short_run(site, folder) as run,
    ):
        yield site, run


async def everything(folder: Path, **parts: type[Any]) -> list[Event]:
    """The whole short run."""
    async with (
        running(folder, **parts) as (site, run),
        run.client(MEANT, site.history) as meant,
        run.client(OTHER, site.history) as other,
    ):
        advertisement = await run.advertise(meant)
        await other.refresh_policy()
        await run.report(meant, other, rounds=1)
        await run.without_site_server(meant, other)
        await run.change(meant, advertisement)
        await run.without_database(meant, other)
        return await judged(site, run, meant, other)


async def test_an_honest_site_violates_nothing(tmp_path: Path) -> None:
    events = await everything(tmp_path)
    assert red(events) == {}
    assert missing_evidence(events) == []
    # and there was something to judge
    done = {(e.what, e.phase) for e in events}
    assert {("program", "ok"), ("send_report", "ok"), ("change_advertisement", "ok")} <= done
    assert {("query", "unknown"), ("query", "fail")} & done


@pytest.mark.parametrize("checker", ROLES)
async def test_a_broken_role_turns_exactly_its_checker_red(checker: str, tmp_path: Path) -> None:
    kind, made = ROLES[checker]
    found = red(await everything(tmp_path, **{kind: made}))
    assert set(found) == {checker}, found
    assert any(SAID[checker] in sentence for sentence in found[checker]), found


async def test_a_broken_client_turns_exactly_its_checker_red(tmp_path: Path) -> None:
    """All of them on one site, each with a history of its own; judged when nobody does anything any more."""
    async with running(tmp_path) as (site, run), AsyncExitStack() as clients:

        async def one(number: int, checker: str) -> SimulatedClient:
            its = run.client(f"BAD{number}", History(site.clock), CLIENTS[checker])
            client = await clients.enter_async_context(its)
            await run.change(client, await run.advertise(client))
            return client

        made = await asyncio.gather(*(one(n, checker) for n, checker in enumerate(CLIENTS)))
        found = {
            checker: red(await judged(site, run, client, drained=False))
            for checker, client in zip(CLIENTS, made, strict=True)
        }
    assert {checker: set(said) for checker, said in found.items()} == {c: {c} for c in CLIENTS}, found
    assert all(SAID[c] in " ".join(found[c][c]) for c in CLIENTS), found


async def test_a_backlog_that_stays_is_seen(tmp_path: Path) -> None:
    limits = Limits(drain_site_seconds=120.0)
    async with (
        running(tmp_path, **{MP: management_points.StopsForwardingAfterAnOutage}) as (site, run),
        run.client(MEANT, site.history) as client,
    ):
        await run.report(client, rounds=1)
        await run.until_drained(client)
        await run.without_site_server(client)
        await site.clock.sleep(150)
        found = red(await judged(site, run, client, drained=False), limits)
    assert set(found) == {DRAIN}, found
    assert SAID[DRAIN] in found[DRAIN][0]


def test_every_checker_has_a_saboteur() -> None:
    assert {*ROLES, *CLIENTS, DRAIN} == set(CHECKERS)
