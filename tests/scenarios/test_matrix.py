"""Rows of the matrix on real sites: each new kind of site, and a broken part that turns its cells red."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.matrix.plan import make_plan
from fixtures.matrix.run import differences, run_matrix
from fixtures.report.document import Document
from tests.scenarios.saboteurs import management_points


def rows_of(document: Document) -> dict[str, Document]:
    return {row["id"]: row for site in document["sites"] for block in site["blocks"] for row in block["rows"]}


def outcome(row: Document, activity: str) -> str:
    return next(str(c["during"]["outcome"]) for c in row["cells"] if c["activity"] == activity)


@pytest.mark.parametrize(
    ("site", "fault", "rows"),
    [
        ("two-distribution-points", "stopped", ["distribution_point", "lost:DP1"]),
        ("nlb", "failing", ["site_server+management_point", "lost:MP1", "lost:MP2"]),
        ("nlb", "partitioned", ["lost:MP2"]),
        ("database-replica", "failing", ["site_database", "lost:SQL2"]),
        ("one-computer", "stopped", ["site_server+site_database+distribution_point", "lost:SITE1"]),
    ],
)
async def test_rows_are_as_they_must_be(site: str, fault: str, rows: list[str]) -> None:
    document = await run_matrix(make_plan([site], [fault], "in-process", 5, rows), workers=1)
    assert differences(document) == []
    assert document["result"] == "holds"
    assert list(rows_of(document)) == rows


async def test_a_broken_part_is_red_where_it_breaks_and_nowhere_else() -> None:
    plan = make_plan(["four-computers"], ["stopped"], "in-process", 5, ["site_server", "site_database"])
    plan = replace(plan, parts={"management_point": management_points.RemembersAssignments})
    document = await run_matrix(plan, workers=1)
    rows = rows_of(document)
    assert document["result"] == "does not hold"
    assert rows["site_server"]["right"]
    wrong = {c["activity"] for c in rows["site_database"]["cells"] if c["state"] == "violated"}
    assert wrong == {"request_policy_assignments"}
    assert outcome(rows["site_database"], "request_policy_assignments") == "works"


async def test_the_command_with_several_worker_processes(tmp_path: Path) -> None:
    file = tmp_path / "matrix.json"
    asked = ["--site", "four-computers", "--site", "nlb", "--fault", "stopped", "--row", "distribution_point"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from fixtures.command_line import main; main()",
        *("reproduce", "--all", *asked, "--seed", "3", "--json", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["rows"] == 2
    assert "2 of 2" not in output.decode()  # one way to be offline, so one row a line
