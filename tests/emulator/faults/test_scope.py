"""Where a fault acts: roles and links by the names a site has."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import FaultRefused
from emulator.faults.exchange import PLACES
from emulator.faults.network import ARROWS
from emulator.faults.registry import KINDS, read_fault
from emulator.faults.scope import Scope, scope_of
from emulator.faults.traffic import TOLD_BY, WAYS
from emulator.faults.wire_fault import ENDPOINTS, SELECTORS, WireFault
from fixtures.topologies import find_topology

TYPICAL = find_topology("typical")


def scope(spec: dict[str, Any], clients: tuple[str, ...] = ()) -> Scope:
    settings = {"latency": {"seconds": 1}}.get(spec["kind"], {})
    return scope_of(read_fault(spec | settings), TYPICAL, clients)


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"kind": "stopped", "on": "management_point"}, ["management_point"]),
        ({"kind": "stopped", "on": "distribution_point"}, ["distribution_point_1", "distribution_point_2"]),
        ({"kind": "stopped", "on": "SITESRV"}, ["site_server", "site_database"]),
        ({"kind": "database_slow", "on": "SITESRV"}, ["site_database"]),
        (
            {"kind": "reset", "on": "clients -> distribution_point"},
            ["clients -> distribution_point_1", "clients -> distribution_point_2"],
        ),
        (
            {"kind": "reset", "on": "clients -> distribution_point", "role": "distribution_point_2"},
            ["clients -> distribution_point_2"],
        ),
        (
            {"kind": "reset", "on": "site_server"},
            ["administrators -> site_server", "management_point -> site_server"],
        ),
        (
            {"kind": "reset", "on": "site_database"},
            ["management_point -> site_database", "site_server -> site_database"],
        ),  # no observers
        (
            {"kind": "reset", "on": "SITESRV"},
            [
                "administrators -> site_server",
                "management_point -> site_database",
                "management_point -> site_server",
            ],
        ),
        ({"kind": "latency", "on": "observers -> site_database"}, ["observers -> site_database"]),
        (
            {"kind": "http_error", "on": "SITESRV"},
            ["administrators -> site_server", "management_point -> site_server"],
        ),
        (
            {"kind": "reset", "on": "MP1 -> SITESRV", "endpoint": "inboxes"},
            ["management_point -> site_server"],
        ),
        ({"kind": "partitioned", "on": "MP1->site_database"}, ["management_point -> site_database"]),
        (
            {"kind": "partitioned", "on": "management_point", "direction": "requests"},
            ["clients -> management_point", "site_server -> management_point"],
        ),
        ({"kind": "partitioned", "on": "management_point"}, ["management_point"]),
        ({"kind": "flipped_bytes", "on": "management_point"}, ["clients -> management_point"]),
        ({"kind": "protocol_error", "on": "SITESRV"}, ["administrators -> site_server"]),
        (
            {"kind": "reset", "on": "distribution_point_1", "package": "s0100001"},
            ["clients -> distribution_point_1", "site_server -> distribution_point_1"],
        ),
        (
            {"kind": "reset", "on": "management_point", "endpoint": ".SMS_AUT"},
            ["clients -> management_point", "site_server -> management_point"],
        ),
        (
            {
                "kind": "reset",
                "on": "management_point",
                "policy": "{1}",
                "client": "PC01",
                "category": "softwaredistribution",
                "endpoint": ".sms_pol",
            },
            ["clients -> management_point"],
        ),
    ],
)
def test_names_mean_roles_or_links(spec: dict[str, Any], where: list[str]) -> None:
    found = scope(spec)
    assert [*found.roles, *map(str, found.arrows)] == where


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"kind": "stopped", "on": "DP9"}, "stopped: on: typical: nothing is called 'DP9'; valid: "),
        ({"kind": "reset", "on": "clients -> DP9"}, "reset: on: typical: nothing is called 'DP9'"),
        (
            {"kind": "reset", "on": "clients -> site_server"},
            "no link goes from clients to site_server; valid: ",
        ),
        ({"kind": "reset", "on": "site_database -> site_server"}, "no link goes from site_database"),
        (
            {"kind": "reset", "on": "MP1 -> SITESRV", "role": "MP1"},
            "role: no link of MP1 -> SITESRV leads to",
        ),
        (
            {"kind": "http_error", "on": "site_database"},
            "there is no HTTP to look into; valid there: faults of",
        ),
        ({"kind": "reset", "on": "site_database", "endpoint": ".sms_pol"}, "there is no HTTP to look into"),
        (
            {"kind": "reset", "on": "site_server", "client": "PC01"},
            "client: no request has it on site_server; valid: clients -> management_point",
        ),
        ({"kind": "reset", "on": "management_point", "package": "S0100001"}, "package: no request has it on"),
        (
            {"kind": "flipped_bytes", "on": "administrators -> site_server"},
            "on: nothing that it touches passes on administrators -> site_server; "
            "valid: clients -> management_point, clients -> distribution_point",
        ),
        ({"kind": "flipped_bytes", "on": "site_server"}, "on: nothing that it touches"),
        ({"kind": "flipped_bytes", "on": "site_server -> distribution_point"}, "on: nothing that it touches"),
        ({"kind": "wrong_hash", "on": "site_server"}, "on: nothing that it touches"),
        ({"kind": "wrong_hash", "on": "management_point -> site_server"}, "on: nothing that it touches"),
        ({"kind": "protocol_error", "on": "clients -> distribution_point"}, "on: nothing that it touches"),
        ({"kind": "protocol_error", "on": "management_point -> site_server"}, "on: nothing that it touches"),
        (
            {"kind": "reset", "on": "clients -> distribution_point", "endpoint": "AdminService"},
            "endpoint: no request has it on clients -> distribution_point; valid: administrators -> site_",
        ),
        (
            {"kind": "reset", "on": "clients -> distribution_point", "endpoint": "MP_HinvEndpoint"},
            "endpoint: no request has it on",
        ),
        (
            {
                "kind": "reset",
                "on": "clients -> management_point",
                "endpoint": "MP_HinvEndpoint",
                "policy": "{1}",
            },
            "endpoint: no request has it together with policy; valid with that: requests for .sms_pol",
        ),
        (
            {"kind": "wrong_hash", "on": "clients -> management_point", "endpoint": "MP_HinvEndpoint"},
            "endpoint: no request has it together with wrong_hash; valid with that: requests for MP_PolicyM",
        ),
        (
            {"kind": "reset", "on": "management_point", "client": "PC01", "package": "S0100001"},
            "package: no request has it together with client",
        ),
        (
            {"kind": "reset", "on": "site_server -> management_point", "client": "PC01"},
            "client: no request has it on site_server -> management_point",
        ),
        (
            {"kind": "reset", "on": "management_point", "category": "NAAConfig"},
            "category: no policy of this site has the category 'NAAConfig'; valid: SoftwareDistribution, Inv",
        ),
        ({"kind": "database_slow", "on": "MP1"}, "'MP1' cannot have it; valid: site_database, or their"),
        ({"kind": "disk_full", "on": "PC01"}, "nothing is called 'PC01'"),
    ],
)
def test_what_means_nothing_here_is_refused(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(FaultRefused, match=told):
        scope(spec)


def test_a_client_is_known_by_its_folder() -> None:
    assert scope({"kind": "disk_full", "on": "PC01"}, ("PC01",)).roles == ("PC01",)
    with pytest.raises(FaultRefused, match="nothing is called 'PC01'"):
        scope({"kind": "stopped", "on": "PC01"}, ("PC01",))


def test_a_replica_is_spoken_to_as_a_database() -> None:
    replicated = find_topology("database-replica")
    link = "management_point -> database_replica"
    fault = read_fault({"kind": "http_error", "on": link})
    with pytest.raises(FaultRefused, match="there is no HTTP to look into"):
        scope_of(fault, replicated)
    assert [
        str(arrow) for arrow in scope_of(read_fault({"kind": "reset", "on": link}), replicated).arrows
    ] == [link]


def test_the_categories_that_a_site_names_are_known() -> None:
    fault = read_fault({"kind": "reset", "on": "management_point", "category": "NAACONFIG"})
    assert scope_of(fault, find_topology("secrets")).arrows


def test_what_clients_read_over_tls_cannot_be_changed_on_the_way() -> None:
    fault = read_fault({"kind": "flipped_bytes", "on": "management_point"})
    with pytest.raises(FaultRefused, match="there is no HTTP to look into"):
        scope_of(fault, find_topology("native"))


def test_every_request_that_can_be_told_apart_has_a_link_it_passes_on() -> None:
    assert set(WAYS) == {*ENDPOINTS, *PLACES}
    drawn = {f"{source} -> {target}" for source, target in ARROWS}
    assert {way for ways in WAYS.values() for way in ways} <= drawn
    assert {*TOLD_BY, "endpoint"} == set(SELECTORS)
    for sorts in (*TOLD_BY.values(), *(cls.touches for cls in KINDS.values() if issubclass(cls, WireFault))):
        assert set(sorts) <= set(WAYS)
