"""Rows of the failure table in containers, broken by the engine: stop, kill, pause, network disconnect."""

from __future__ import annotations

import pytest

from fixtures.failure_table import failure_table
from fixtures.lab.lab_site import LabSite
from fixtures.report.document import make_document
from fixtures.scenario.plan import Plan
from fixtures.scenario.runner import run
from fixtures.topologies import find_topology


@pytest.mark.parametrize(
    ("fault", "rows"),
    [
        ("killed", ("site_server", "site_database")),
        ("partitioned", ("management_point",)),
        ("hung", ("distribution_point",)),
        ("stopped", ("computer",)),  # two roles in one container
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
async def test_rows_hold(image: str, fault: str, rows: tuple[str, ...]) -> None:
    table = failure_table()
    plan = Plan(
        topology=find_topology("two-distribution-points"),
        rows=tuple(table.row(row) for row in rows),
        fault=fault,
        mode="containers",
        site_class=LabSite,
        seed=5,
    )
    document = make_document(await run(plan), table)
    wrong = {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] == "violated"}
    assert not wrong
    cells = [cell for row in document["rows"] for cell in row["cells"]]
    assert len(cells) == len(rows) * len(table.activities)
    assert all(cell["right"] for cell in cells)
