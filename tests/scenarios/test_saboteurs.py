"""A check that no broken part can turn red is no check: each saboteur is caught, and only what it breaks.

One line a saboteur: the rows it is run on, the part it replaces, and exactly the statements
that the run must then report as violated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from fixtures.failure_table import failure_table
from fixtures.report.document import make_document
from fixtures.scenario.plan import Plan
from fixtures.scenario.runner import run
from fixtures.topologies import find_topology
from tests.scenarios.saboteurs import (
    client_agents,
    distribution_points,
    management_points,
    site_servers,
    sites,
)

SS, DB, MP, DP = "site_server", "site_database", "management_point", "distribution_point"


@dataclass(frozen=True)
class Sabotage:
    """One broken part and what it breaks."""

    name: str
    rows: tuple[str, ...]
    broken: frozenset[str]
    parts: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def part(kind: str, made: type, rows: str, broken: str) -> Sabotage:
    """A role whose class is replaced."""
    return Sabotage(f"{made.__name__}-{rows}", tuple(rows.split()), frozenset(broken.split()), {kind: made})


def client(made: type, rows: str, broken: str, **others: Any) -> Sabotage:
    """A client of another class."""
    return Sabotage(
        f"{made.__name__}-{rows}",
        tuple(rows.split()),
        frozenset(broken.split()),
        {},
        {"client_class": made, **others},
    )


def site(made: type, rows: str, broken: str) -> Sabotage:
    """A site of another class."""
    return Sabotage(
        f"{made.__name__}-{rows}", tuple(rows.split()), frozenset(broken.split()), {}, {"site_class": made}
    )


SABOTEURS = [
    # the site as a whole
    part(SS, site_servers.HidesASiteSystem, "healthy", "B1"),
    part(SS, site_servers.DislikesCompany, "healthy shared", "B3"),
    site(sites.OneRoleLivesOn, "computer", "B4"),
    # without the site server
    site(sites.SecondProvider, SS, "SS1"),
    part(MP, management_points.DropsReports, SS, "SS2 A1 A6"),
    part(MP, management_points.SendsNewestFirst, SS, "SS2 A1"),
    client(client_agents.ForgetsItsQueue, SS, "SS2 A1 A6"),
    part(DP, distribution_points.AsksSiteServerFirst, SS, "SS3 N1"),
    part(MP, management_points.AsksSiteServerForLocations, SS, "SS3 SS4"),
    # without the site database
    part(SS, site_servers.AcceptsAdvertisementsWithoutDatabase, DB, "DB1 N1 A4"),
    part(MP, management_points.ForgetsBodies, DB, "DB2"),
    part(MP, management_points.CachesEveryBody, DB, "DB2"),
    part(MP, management_points.RemembersAssignments, DB, "DB3"),
    client(client_agents.ForgetsPolicies, DB, "DB3 DB4 N1 A5"),
    part(MP, management_points.RemembersLocations, DB, "DB4 N1"),
    client(client_agents.RunsWithoutContent, DB, "DB4 A3"),
    client(client_agents.NeverUsesItsCache, DB, "DB4"),
    part(MP, management_points.RegistersWithoutDatabase, DB, "N1"),
    # without the management point
    part(SS, site_servers.NeedsManagementPointToAdvertise, MP, "MP1"),
    part(MP, management_points.BlindAfterRestart, MP, "MP2 MP4 B2 A3 A4"),
    client(
        client_agents.ReadsPolicyBehindTheManagementPoint,
        MP,
        "MP2 MP4 B2 N1",
        site_class=client_agents.SiteThatTalks,
    ),
    client(client_agents.ThrowsReportsAway, MP, "MP3 B2 A1 A6"),
    client(client_agents.ForgetsItsQueue, MP, "MP3 B2 A1 A6"),
    client(client_agents.RunsWithoutContent, MP, "MP4 A3"),
    # without the distribution point
    client(client_agents.RunsWithoutContent, DP, "DP1 N1 A3"),
    client(client_agents.NeverUsesItsCache, DP, "DP1"),
    part(DP, distribution_points.NeverServesRanges, DP, "N1 A2"),
    # always
    part(MP, management_points.AcknowledgesBeforeWriting, MP, "A1"),
    part(SS, site_servers.LoadsTwice, SS, "A1"),
    part(MP, management_points.HandsOutEverybodysPolicies, SS, "A5"),
]


@pytest.mark.parametrize("sabotage", SABOTEURS, ids=str)
async def test_the_run_reports_exactly_what_is_broken(sabotage: Sabotage) -> None:
    table = failure_table()
    plan = Plan(
        find_topology("four-computers"),
        tuple(table.row(name) for name in sabotage.rows),
        parts=sabotage.parts,
        **sabotage.others,
    )
    document = make_document(await run(plan), table)
    violated = {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] == "violated"}
    assert set(violated) == sabotage.broken, violated
    assert document["result"] == "does not hold"


async def test_a_site_that_always_fails_whole_shows_no_difference_between_roles() -> None:
    """B5 speaks of four rows at once, and nothing else survives this one either."""
    table = failure_table()
    plan = Plan(
        find_topology("four-computers"),
        tuple(table.row(name) for name in (SS, DB, MP, DP)),
        site_class=sites.EverythingFails,
    )
    document = make_document(await run(plan), table)
    violated = {s["id"] for s in document["statements"] if s["verdict"] == "violated"}
    assert {"B5", "SS2", "SS3", "SS4", "DB2", "MP1", "N1"} <= violated
    assert not violated & {"A1", "A2", "A4", "A5", "A6"}


def test_every_statement_has_a_saboteur() -> None:
    caught = {"B5"}.union(*(sabotage.broken for sabotage in SABOTEURS))
    assert {s.id for s in failure_table().statements} == caught
