from __future__ import annotations

from pathlib import Path

import pytest

from clients.ledger import Ledger
from emulator.errors import CannotStart


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    Ledger(tmp_path / "a.json", serial=0).save(serial=7)
    assert Ledger(tmp_path / "a.json", serial=0, more="x").value == {"serial": 7, "more": "x"}


def test_what_was_not_saved_is_not(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a.json", serial=0)
    ledger.value["serial"] = 7
    assert Ledger(tmp_path / "a.json", serial=0)["serial"] == 0


def test_a_damaged_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CannotStart, match=r"a\.json"):
        Ledger(tmp_path / "a.json")
