"""Settings of roles in containers, from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.errors import CannotStart, TopologyError
from emulator.placement import ports, settings_of, whole_site
from fixtures.topologies import find_topology

SECRET = {"CMEMU_SECRET": "s/1"}


def test_every_role_has_the_same_ports_in_every_container() -> None:
    assert ports(find_topology("two-distribution-points")) == {
        "site_database": (5432, None),
        "site_server": (8080, 8443),
        "management_point": (8081, None),
        "distribution_point_1": (8082, 8445),
        "distribution_point_2": (8083, 8446),
    }


def test_a_whole_site_in_one_container_tells_clients_where_its_ports_are_published() -> None:
    found = {
        role.name: role.public_url for role in whole_site(find_topology("four-computers"), "lab.example")
    }
    assert found["management_point"] == "http://lab.example:8081"
    assert found["distribution_point"] == "http://lab.example:8082"


def test_a_role_finds_the_others_where_the_environment_says() -> None:
    environment = SECRET | {
        "CMEMU_AT_SITE_SERVER": "172.30.7.3",
        "CMEMU_PUBLIC_DISTRIBUTION_POINT_2": "http://172.30.3.3:8083",
    }
    (settings,) = settings_of(find_topology("two-distribution-points"), "MP1", Path("/data"), environment)
    roles = {role.name: role for role in settings.roles}

    assert settings.role.name == "management_point"
    assert settings.data == Path("/data/management_point")
    assert settings.listen == "0.0.0.0"
    assert roles["site_server"].url == "http://172.30.7.3:8080"
    assert roles["distribution_point_2"].public_url == "http://172.30.3.3:8083"
    # Not told: by the computer's name, which is how containers find each other.
    assert roles["distribution_point_1"].url == "http://dp1:8082"
    assert settings.database == "postgresql://postgres:s%2F1@sql1:5432/smsdb"


def test_roles_of_one_computer_find_each_other_inside() -> None:
    found = settings_of(find_topology("typical"), "SITESRV", Path("/data"), SECRET)
    assert [s.role.kind for s in found] == ["site_server", "site_database"]
    assert found[0].database == "postgresql://postgres:s%2F1@127.0.0.1:5432/smsdb"


def test_a_given_database_is_used() -> None:
    environment = SECRET | {"CMEMU_DSN": "postgresql://me@db/smsdb"}
    (settings,) = settings_of(find_topology("two-distribution-points"), "sitesrv", Path("/data"), environment)
    assert settings.database == "postgresql://me@db/smsdb"


def test_a_distribution_point_is_told_of_no_database() -> None:
    (settings,) = settings_of(find_topology("two-distribution-points"), "DP2", Path("/data"), SECRET)
    assert settings.database is None


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "CMEMU_SECRET: missing"),
        (
            SECRET | {"CMEMU_AT_CASTLE": "here"},
            "CMEMU_AT_CASTLE: no such role .* valid: CMEMU_AT_SITE_SERVER",
        ),
        (SECRET | {"CMEMU_SPEED": "240"}, "CMEMU_CLOCK_ORIGIN: missing"),
        (SECRET | {"CMEMU_SPEED": "fast"}, "CMEMU_SPEED: 'fast' is no number above 0"),
        (SECRET | {"CMEMU_DATABASE_TIMEOUT": "inf"}, "CMEMU_DATABASE_TIMEOUT: 'inf' is no number"),
    ],
)
def test_what_is_missing_or_misspelt_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(CannotStart, match=complaint):
        settings_of(find_topology("two-distribution-points"), "MP1", Path("/data"), environment)


def test_several_computers_are_not_one_container() -> None:
    with pytest.raises(CannotStart, match="distribution_point_1, distribution_point_2"):
        settings_of(find_topology("two-distribution-points"), "distribution_point", Path("/data"), SECRET)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TopologyError, match="nothing is called 'castle'"):
        settings_of(find_topology("two-distribution-points"), "castle", Path("/data"), SECRET)


def test_containers_that_share_an_origin_tell_the_same_time() -> None:
    environment = SECRET | {"CMEMU_SPEED": "240", "CMEMU_CLOCK_ORIGIN": "1700000000"}
    (settings,) = settings_of(find_topology("two-distribution-points"), "MP1", Path("/data"), environment)
    assert (settings.clock.speed, settings.clock.real_origin) == (240.0, 1700000000.0)
