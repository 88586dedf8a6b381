"""The whole failure table on real sites: every statement holds."""

from __future__ import annotations

import pytest

from emulator.errors import FaultRefused
from fixtures.failure_table import failure_table
from fixtures.report.document import make_document, succeeded
from fixtures.scenario.plan import Plan
from fixtures.scenario.runner import run
from fixtures.topologies import find_topology

ALL = {s.id for s in failure_table().statements}


async def table_holds(**options: object) -> None:
    plan = Plan(find_topology("four-computers"), failure_table().rows, **options)  # type: ignore[arg-type]
    document = make_document(await run(plan))
    reasons = {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] != "holds"}
    assert not reasons, [row["stuck"] for row in document["rows"]]
    assert {s["id"] for s in document["statements"]} == ALL
    assert succeeded(document)


@pytest.mark.parametrize("fault", ["stopped", "hung", "failing", "partitioned"])
async def test_in_one_process(fault: str) -> None:
    await table_holds(fault=fault)


@pytest.mark.parametrize("fault", ["stopped", "killed", "hung", "partitioned"])
async def test_with_a_process_per_role(fault: str) -> None:
    await table_holds(fault=fault, mode="processes")


@pytest.mark.parametrize("row", ["site_server+management_point", "site_database+distribution_point"])
async def test_rows_the_page_leaves_out(row: str) -> None:
    plan = Plan(find_topology("four-computers"), (failure_table().row(row),))
    document = make_document(await run(plan))
    assert {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] != "holds"} == {}


@pytest.mark.parametrize("site", ["one-computer", "typical"])
async def test_rows_on_other_sites(site: str) -> None:
    rows = tuple(failure_table().row(name) for name in ("site_server", "distribution_point"))
    document = make_document(await run(Plan(find_topology(site), rows)))
    assert {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] != "holds"} == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fault": "killed"}, "killed: a role in this process cannot get SIGKILL"),
        ({"fault": "tired"}, "unknown fault 'tired'; valid: stopped, killed, hung, failing, partitioned"),
        ({"mode": "containers"}, "unknown mode 'containers'; valid: in-process, processes"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything_starts(
    options: dict[str, str], says: str
) -> None:
    plan = Plan(find_topology("four-computers"), failure_table().rows, **options)  # type: ignore[arg-type]
    with pytest.raises(FaultRefused, match=says):
        await run(plan)
