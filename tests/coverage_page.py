"""The page that says what is proven of the wire protocol: ``python -m tests.coverage_page``.

Items are listed by hand in ``tests/coverage/*.toml``, area by area; tests name the items that they prove
with ``@pytest.mark.proves(...)``. Both are collected, nothing is run, and ``PROTOCOL.md`` is written.
An item is proven by the test that names it, which is worth what that test is worth.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "PROTOCOL.md"
INTRODUCTION = """# What is proven of the wire protocol

Written by `make coverage` from `tests/coverage/*.toml` and the tests' own marks; a test fails when it
is out of date. An item without a test is **not proven**. {proven} of {total} items are proven.
"""

Proofs = dict[str, list[str]]


class CoverageError(Exception):
    """The lists and the tests do not fit together."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a client may rely on."""

    id: str
    what: str
    section: str


def read_items(folder: Path) -> dict[str, list[Item]]:
    """Area (the file's name) -> its items.

    Raises:
        CoverageError: an id stands twice, or a field is missing or unknown.
    """
    areas: dict[str, list[Item]] = {}
    seen: dict[str, str] = {}
    for file in sorted(folder.glob("*.toml")):
        areas[file.stem] = []
        for table in tomllib.loads(file.read_text(encoding="utf-8")).get("item", []):
            if set(table) != {"id", "what", "section"}:
                raise CoverageError(
                    f"{file.name}: an item has id, what and section, this one {sorted(table)}"
                )
            item = Item(**table)
            if item.id in seen:
                raise CoverageError(f"{item.id} stands twice: in {seen[item.id]} and in {file.name}")
            seen[item.id] = file.name
            areas[file.stem].append(item)
    return areas


def collect_proofs(root: Path = ROOT) -> Proofs:
    """Item -> the tests that name it; the suite is collected in a process of its own, and not run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proofs"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "tests.coverage_plugin",
             "-p", "no:randomly", "-p", "no:cacheprovider", f"--proofs={file}", "tests"],
            cwd=root, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise CoverageError(f"the tests cannot be collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        proofs: dict[str, set[str]] = defaultdict(set)
        for line in file.read_text(encoding="utf-8").splitlines():
            item, test = line.split("\t")
            proofs[item].add(test)
    return {item: sorted(tests) for item, tests in proofs.items()}


def write_page(areas: dict[str, list[Item]], proofs: Proofs) -> str:
    """The page's text.

    Raises:
        CoverageError: a test names an item that no list has.
    """
    known = {item.id for items in areas.values() for item in items}
    unknown = [f"{item} (by {proofs[item][0]})" for item in sorted(set(proofs) - known)]
    if unknown:
        raise CoverageError(f"tests name items that no list has: {', '.join(unknown)}")
    lines = [INTRODUCTION.format(proven=len(known & set(proofs)), total=len(known))]
    for area, items in areas.items():
        lines += [f"\n## {area}\n", "| item | wire description | | by |", "|---|---|---|---|"]
        for item in items:
            tests = proofs.get(item.id, [])
            state = "proven" if tests else "**not proven**"
            names = "<br>".join(f"`{test}`" for test in tests)
            lines.append(f"| {_cell(item.what)} (`{item.id}`) | {_cell(item.section)} | {state} | {names} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    try:
        page = write_page(read_items(ROOT / "tests" / "coverage"), collect_proofs())
    except CoverageError as exc:
        sys.exit(str(exc))
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.name}: {page.count('| proven |')} proven, {page.count('| **not proven** |')} not proven")


if __name__ == "__main__":
    main()
