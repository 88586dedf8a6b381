"""The page of faults: complete and up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulator.faults.fault import RoleFault
from emulator.faults.registry import KINDS
from emulator.faults.wire_fault import WireFault
from tests.faults_page import PAGE, write_page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), "run: python -m tests.faults_page"


def test_the_page_has_every_kind_and_every_setting_of_its_own() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind, cls in KINDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
        base = WireFault if issubclass(cls, WireFault) else RoleFault
        for name in set(cls.model_fields) - set(base.model_fields):
            assert f"`{name}`" in row, (kind, name)


def uses(kind: str, tests: dict[str, str]) -> str:
    """The file of tests that sets this kind of fault, on a link or on a site.

    Raises:
        LookupError: there is none.
    """
    forms = (rf'\.set\(\s*"{kind}"', rf'"kind": "{kind}"', rf'for kind in \([^)]*"{kind}"')
    for name, text in tests.items():
        if any(re.search(form, text) for form in forms):
            return name
    raise LookupError(f"no test sets the fault {kind!r}")


def test_every_kind_is_used_by_a_test() -> None:
    files = sorted((Path(__file__).parent / "emulator" / "faults").glob("test_*.py"))
    # These two read tables and set none.
    tests = {f.name: f.read_text() for f in files if f.name not in ("test_registry.py", "test_scope.py")}
    for kind in KINDS:
        assert uses(kind, tests)


def test_a_kind_without_a_test_is_told() -> None:
    with pytest.raises(LookupError, match="no test sets the fault 'garbage'"):
        uses("garbage", {"test_x.py": 'relay.set("latency")'})
