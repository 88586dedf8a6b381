"""CMPivot queries on rows made by hand: what each operator does, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import UnsupportedQuery
from emulator.site_server.cmpivot import read_pivot_query

DISKS: list[dict[str, Any]] = [
    {"Device": "PC1", "DeviceID": "C:", "Description": "Local, 'fast'", "FreeSpace": 100, "Size": 200},
    {"Device": "PC1", "DeviceID": "D:", "Description": None, "FreeSpace": 300, "Size": 400},
    {"Device": "PC1", "DeviceID": "E:", "Description": "local_1", "FreeSpace": None, "Size": 200},
]

QUERIES = [
    ("LogicalDisk", "CDE"),
    ("logicaldisk | where DeviceID == 'c:'", "C"),
    ("LogicalDisk | where DeviceID != 'C:'", "DE"),
    ("LogicalDisk | where DeviceID =~ 'C:' or FreeSpace >= 300", "CD"),
    ("LogicalDisk | where not (FreeSpace > 200)", "CE"),
    ("LogicalDisk | where FreeSpace > 50 and Size < 300", "C"),
    ("LogicalDisk | where Description startswith 'LOCAL'", "CE"),
    ("LogicalDisk | where Description endswith '_1'", "E"),
    ("LogicalDisk | where Description !contains 'fast'", "DE"),
    ("LogicalDisk | where Description like 'local_1'", "E"),
    ("LogicalDisk | where Description like \"%'fast'\"", "C"),
    ("LogicalDisk | where Description contains '|'", ""),
    ("LogicalDisk | where Description like 'l%o%,%t%'", "C"),
    ("LogicalDisk | where Description like '%cal%'", "CE"),
    ("LogicalDisk | where Description like 'cal%'", ""),
    ("LogicalDisk | where Description like 'local'", ""),
    ("LogicalDisk | where Description like '%1%1'", ""),
    ("LogicalDisk | where isnull(Description)", "D"),
    ("LogicalDisk | where isnotnull(Description)", "CE"),
    ("LogicalDisk | where DeviceID in ('C:', 'e:')", "CE"),
    ("LogicalDisk | where DeviceID !in ('C:')", "DE"),
    ("LogicalDisk | take 2", "CD"),
    ("LogicalDisk | limit 1 ", "C"),
    ("LogicalDisk | top 1 by FreeSpace", "D"),
    ("LogicalDisk | order by Size asc, DeviceID desc", "ECD"),
    ("LogicalDisk | sort by DeviceID", "EDC"),
    ("LogicalDisk | where Size == 200 | order by DeviceID | take 1", "E"),
]


@pytest.mark.parametrize(("query", "disks"), QUERIES)
def test_which_rows(query: str, disks: str) -> None:
    assert "".join(row["DeviceID"][0] for row in read_pivot_query(query).of(DISKS)) == disks


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("LogicalDisk | project Size", [{"Size": 200}, {"Size": 400}, {"Size": 200}]),
        ("LogicalDisk | distinct size", [{"Size": 200}, {"Size": 400}]),
        ("LogicalDisk | count", [{"Count": 3}]),
        ("LogicalDisk | summarize count()", [{"count_": 3}]),
        (
            "LogicalDisk | summarize count() by Size | order by count_",
            [{"Size": 200, "count_": 2}, {"Size": 400, "count_": 1}],
        ),
    ],
)
def test_what_becomes_of_rows(query: str, rows: list[dict[str, Any]]) -> None:
    assert read_pivot_query(query).of(DISKS) == rows


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "entity"),
        ("Process", "'Process'"),
        ("Registry('hklm')", "Registry"),
        ("File", "path"),
        ("OS('x')", "path"),
        ("OS | join Device", "join"),
        ("OS | where Nonsense == 1", "Nonsense"),
        ("OS | where Caption == 1", "text in quotes"),
        ("LogicalDisk | where Size == 'x'", "a number"),
        ("LogicalDisk | where Size contains 'x'", "contains"),
        ("OS | where Caption matches 'x'", "matches"),
        ("OS | where Caption == 'x' extra", "extra"),
        ("OS | where Caption == 'x", "not understood"),
        ("OS | where (Caption == 'x'", "')'"),
        ("OS | where " + "(" * 50 + "Caption == 'x'", "nested"),
        ("OS | project tolower(Caption)", "tolower"),
        ("OS | project Version | where Caption == 'x'", "Caption"),
        ("OS | take many", "many"),
        ("OS | order by Caption upwards", "upwards"),
        ("OS | summarize max(Version)", "max"),
        ("OS |", "''"),
        ("OS" + " | count" * 40, "more than"),
        ("OS | where Caption == '" + "x" * 9000 + "'", "longer"),
    ],
)
def test_what_is_refused(query: str, named: str) -> None:
    with pytest.raises(UnsupportedQuery) as refused:
        read_pivot_query(query)
    assert named in str(refused.value)


def test_a_row_of_wildcards_ends() -> None:
    query = read_pivot_query("LogicalDisk | where Description like '" + "%a" * 2000 + "%b'")
    assert query.of([DISKS[0] | {"Description": "a" * 5000}]) == []
