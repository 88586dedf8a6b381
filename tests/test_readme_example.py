"""README's test, pasted into a fresh project with an environment of its own, as a reader would.

Nothing of this checkout helps: the package is built from a copy of the sources and installed with what it
says it needs. That takes a package registry; where none can be had the test is skipped, but never in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "emulator", "clients", "fixtures")
EXTRA = "pytest"
CONFIGURATION = '[tool.pytest.ini_options]\nasyncio_mode = "auto"\n'
PATIENCE = 900.0  # seconds for one command: an empty cache, a slow mirror, a busy machine


def example() -> str:
    """The Python block of README's section about tests, which also tells what it takes to run it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## In your tests\n")[2].partition("\n## ")[0]
    assert f"pip install 'configmgr-emulator[{EXTRA}]'" in section
    for line in CONFIGURATION.splitlines():
        assert line in section
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return str(code)


class Project:
    """A folder with a virtual environment, and nothing of the process that made it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._python = folder / "venv" / "bin" / "python"
        # Neither this session's options nor its environment; what pip is told of registries stays.
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "PYTHON", "COV_", "COVERAGE", "CMEMU", "VIRTUAL_ENV"))
        }

    def run(self, *arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python or self._python), *arguments],
            cwd=self.folder,
            env=self._environment | {"PYTEST_DEBUG_TEMPROOT": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def create(self) -> None:
        made = self.run("-m", "venv", str(self.folder / "venv"), python=Path(sys.executable))
        assert made.returncode == 0, made.stderr

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "pip", "--quiet", "--timeout", "30", *arguments)

    def write(self, code: str) -> None:
        (self.folder / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")
        (self.folder / "test_pasted.py").write_text(code, encoding="utf-8")

    def pytest(self) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "pytest")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in which this package is installed, not editable, from a copy of its sources."""
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    project.create()
    # The build's own backend is the first thing an installation fetches.
    registry = project.pip("download", "--no-deps", "--dest", str(tmp_path / "fetched"), "setuptools>=77")
    if registry.returncode:
        reason = f"pip finds no package registry: {registry.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    source = tmp_path / "source"  # a build writes into its sources, and other tests read ours meanwhile
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    installed = project.pip("install", "--prefer-binary", f"{source}[{EXTRA}]")
    assert installed.returncode == 0, installed.stderr
    yield project
    shutil.rmtree(project.folder)  # some 200 MB


@pytest.mark.timeout(3600)
def test_the_example_passes_where_it_is_pasted_and_fails_when_it_claims_too_much(project: Project) -> None:
    code = example()
    tests = len(re.findall(r"^(?:async )?def test_", code, re.MULTILINE))
    assert tests
    project.write(code)
    ran = project.pytest()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(rf"= {tests} passed in", ran.stdout)

    # Another role is taken away: the report cannot arrive where the example says it does.
    wrong = code.replace('site.offline("site_server")', 'site.offline("management_point")')
    assert wrong != code
    project.write(wrong)
    ran = project.pytest()
    assert (ran.returncode, "assert 1 == 0" in ran.stdout) == (1, True), ran.stdout + ran.stderr
    assert re.search(rf"= {tests} failed in", ran.stdout)
