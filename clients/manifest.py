"""``program.toml`` of a package: how its simulated programs behave.

Nothing of a package is ever executed; a run lasts and ends as this file says::

    [program.Install]
    exit_code = 0
    duration_seconds = 5   # site time
    reboot = false
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.errors import MalformedMessage

FILE_NAME = "program.toml"


class ProgramManifest(BaseModel):
    """One program's behaviour; a program the file does not name succeeds at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exit_code: int = 0
    duration_seconds: float = Field(default=0.0, ge=0)
    reboot: bool = False


def read_manifest(folder: Path, program_name: str) -> ProgramManifest:
    """The behaviour of one program of the package in this folder.

    Raises:
        MalformedMessage: the file cannot be understood.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return ProgramManifest()
    raw = path.read_bytes()
    try:
        programs = tomllib.loads(raw.decode()).get("program", {})
        return ProgramManifest.model_validate(programs.get(program_name, {}))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, AttributeError) as exc:
        raise MalformedMessage(f"{FILE_NAME}: {exc}", raw=raw) from exc
