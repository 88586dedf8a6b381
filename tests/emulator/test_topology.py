"""A topology is checked whole before anything starts, and errors name file, place and valid values."""

from pathlib import Path

import pytest

from emulator.errors import TopologyError
from emulator.topology import canned_names, load_topology

SITES = Path(__file__).parents[2] / "fixtures" / "sites"

GOOD = """
name = "t"
site_code = "S01"
[[computer]]
name = "A"
roles = ["site_server", "site_database", "management_point"]
[[computer]]
name = "B"
roles = ["distribution_point"]
[[computer]]
name = "C"
roles = ["distribution_point"]
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_canned_topologies_load() -> None:
    names = list(canned_names(SITES))
    assert names == [
        "database-replica",
        "four-computers",
        "native",
        "nlb",
        "one-computer",
        "secrets",
        "two-distribution-points",
        "typical",
    ]
    for name in names:
        assert load_topology(SITES / f"{name}.toml").name == name


def test_roles_are_named_by_kind_and_numbered_where_there_are_several(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, GOOD))
    assert [(r.name, r.computer) for r in topology.roles] == [
        ("site_server", "A"),
        ("site_database", "A"),
        ("management_point", "A"),
        ("distribution_point_1", "B"),
        ("distribution_point_2", "C"),
    ]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("A", ["site_server", "site_database", "management_point"]),
        ("b", ["distribution_point_1"]),
        ("distribution_point", ["distribution_point_1", "distribution_point_2"]),
        ("distribution_point_2", ["distribution_point_2"]),
    ],
)
def test_a_target_is_a_computer_a_role_or_a_kind(tmp_path: Path, target: str, found: list[str]) -> None:
    assert [r.name for r in load_topology(written(tmp_path, GOOD)).resolve(target)] == found


def test_an_unknown_target_lists_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"nothing is called 'D'; valid: .*distribution_point_1"):
        load_topology(written(tmp_path, GOOD)).resolve("D")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"site_server", ',
            '"sight_server", ',
            r"computer\[1\].roles\[1\]: unknown role 'sight_server'; valid: site_server,",
        ),
        ('name = "C"', 'name = "B"', "computer: 'B' stands there 2 times"),
        ('name = "C"\n', "", r"computer\[3\].name: missing"),
        ('site_code = "S01"\n', "", "site.site_code: missing"),
        ('site_code = "S01"', 'site_code = "s1"', "site_code: 's1' is not a site code"),
        ('"site_database", ', "", "exactly one site_database, here are 0"),
        (', "management_point"', "", "at least one management_point, here is none"),
        ('name = "t"', 'name = "t"\nport = 80', "site: unknown field 'port'; valid: name,"),
        ('name = "t"', "name = t", "not TOML"),
        ('name = "C"', 'name = "../C"', "no computer name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(TopologyError, match=message) as caught:
        load_topology(written(tmp_path, GOOD.replace(old, new, 1)))
    assert str(caught.value).startswith(str(tmp_path / "site.toml"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"nowhere.toml: cannot be read"):
        load_topology(tmp_path / "nowhere.toml")


BALANCED = """
name = "t"
site_code = "S01"
[[computer]]
name = "A"
roles = ["site_server", "site_database", "distribution_point", "management_point"]
[[computer]]
name = "B"
roles = ["management_point"]
[[nlb]]
name = "MPNLB"
members = ["A", "B"]
"""


def test_management_points_behind_one_name(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, BALANCED))
    assert [(c.name, c.members) for c in topology.clusters] == [("MPNLB", ("A", "B"))]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"MPNLB"', '"mp nlb"', r"nlb\[1\]\.name: 'mp nlb' is no computer name"),
        ('"MPNLB"', '"A"', r"nlb\[1\]\.name: 'A' is taken"),
        ('["A", "B"]', '["A"]', r"nlb\[1\]\.members: a list of two or more computers"),
        ('["A", "B"]', '["A", "C"]', r"'C' has no management point for it; valid: A, B"),
        ("members =", "member =", r"nlb\[1\]: unknown field 'member'; valid: name, members"),
        ("[[nlb]]", '[security]\nmode = "native"\n[[nlb]]', "nlb: .* native mode"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(TopologyError, match=says):
        load_topology(written(tmp_path, BALANCED.replace(old, new)))


def test_a_computer_in_two_clusters_is_refused(tmp_path: Path) -> None:
    twice = BALANCED + '[[nlb]]\nname = "OTHER"\nmembers = ["A", "B"]\n'
    with pytest.raises(TopologyError, match=r"nlb\[2\]\.members: 'A' has no management point for it"):
        load_topology(written(tmp_path, twice))


REPLICATED = GOOD.replace(
    'roles = ["site_server", "site_database", "management_point"]',
    'roles = ["site_server", "site_database", "management_point"]\ndatabase_replica = "C"',
).replace('name = "C"\nroles = [', 'name = "C"\nroles = ["database_replica", ')


def test_a_management_point_names_the_replica_it_reads(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, REPLICATED))
    assert [computer.replica for computer in topology.computers] == ["C", None, None]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('replica = "C"', 'replica = "B"', r"computer\[1\]\.database_replica: 'B' has none; valid: C"),
        (
            'name = "B"\n',
            'name = "B"\ndatabase_replica = "C"\n',
            r"computer\[2\]\.database_replica: only a management point",
        ),
    ],
)
def test_a_replica_that_is_not_there_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(TopologyError, match=says):
        load_topology(written(tmp_path, REPLICATED.replace(old, new)))


@pytest.mark.parametrize(
    ("computer", "kinds"),
    [
        ("A", {"site_server", "site_database", "management_point"}),
        ("B", set()),  # there is another distribution point
    ],
)
def test_what_is_lost_with_a_computer(tmp_path: Path, computer: str, kinds: set[str]) -> None:
    assert load_topology(written(tmp_path, GOOD)).lost_with(computer) == kinds
