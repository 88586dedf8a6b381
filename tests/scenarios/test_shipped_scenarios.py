"""Three of the shipped scenarios, end to end; ``make scenarios`` plays them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.scenario_file.checking import read_scenario
from fixtures.scenario_file.engine import run
from fixtures.scenario_file.library import find_scenario
from fixtures.scenario_file.result import result_of


@pytest.mark.parametrize(
    "name", ["distribution-point-stopped", "client-killed-in-a-download", "wrong-bytes-in-content"]
)
async def test_it_holds(name: str, tmp_path: Path) -> None:
    result = result_of(await run(read_scenario(find_scenario(name)), tmp_path / "history.jsonl"))
    unfulfilled = [f"line {e.line}: {e.text}: {e.seen}" for e in result.entries if not e.held]
    violated = [violation for i in result.invariants for violation in i.violations]
    assert [*unfulfilled, *violated, *result.problems] == []
    assert result.verdict == "held"
