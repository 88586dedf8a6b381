"""The page of what is proven: complete, up to date, and strict about names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coverage_page import PAGE, ROOT, CoverageError, Item, collect_proofs, read_items, write_page

ITEM = '[[item]]\nid = "a.one"\nwhat = "One | thing"\nsection = "1.1"\n'


def test_the_page_is_up_to_date() -> None:
    page = write_page(read_items(ROOT / "tests" / "coverage"), collect_proofs())
    assert PAGE.read_text(encoding="utf-8") == page, "run: make coverage"


def test_an_item_without_a_test_is_not_proven() -> None:
    areas = {"a": [Item("a.one", "One | thing", "1.1"), Item("a.two", "Two", "2")]}
    page = write_page(areas, {"a.one": ["tests/x.py::test_x", "tests/y.py::test_y"]})
    assert "| One \\| thing (`a.one`) | 1.1 | proven | `tests/x.py::test_x`<br>`tests/y.py::test_y` |" in page
    assert "| Two (`a.two`) | 2 | **not proven** |  |" in page
    assert "1 of 2 items are proven" in page


def test_a_test_that_names_an_unknown_item_is_told() -> None:
    with pytest.raises(CoverageError, match=r"a\.three \(by tests/x\.py::test_x\)"):
        write_page({"a": []}, {"a.three": ["tests/x.py::test_x"]})


def test_an_id_stands_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ITEM)
    assert read_items(tmp_path) == {"a": [Item("a.one", "One | thing", "1.1")]}
    (tmp_path / "b.toml").write_text(ITEM)
    with pytest.raises(CoverageError, match=r"a\.one stands twice: in a\.toml and in b\.toml"):
        read_items(tmp_path)


def test_an_item_says_all_there_is_to_say(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ITEM.replace("section", "chapter"))
    with pytest.raises(CoverageError, match="chapter"):
        read_items(tmp_path)
