from __future__ import annotations

from pathlib import Path

import pytest

from clients.manifest import ProgramManifest, read_manifest
from emulator.errors import MalformedMessage


def test_a_program_is_as_its_manifest_says(tmp_path: Path) -> None:
    (tmp_path / "program.toml").write_text(
        '[program."Install all"]\nexit_code = 3010\nduration_seconds = 5\nreboot = true\n'
    )
    found = read_manifest(tmp_path, "Install all")
    assert found == ProgramManifest(exit_code=3010, duration_seconds=5, reboot=True)
    assert read_manifest(tmp_path, "Another") == ProgramManifest()


def test_without_a_manifest_a_program_succeeds_at_once(tmp_path: Path) -> None:
    assert read_manifest(tmp_path, "Install") == ProgramManifest()


@pytest.mark.parametrize(
    "text",
    [
        "[program",
        "[program.Install]\nexit_code = 'no'",
        "program = 3",
        "[program.Install]\nrun = 'rm'",
        "\xff",
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "program.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(MalformedMessage):
        read_manifest(tmp_path, "Install")
