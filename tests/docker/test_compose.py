"""The lab's compose file, and what has to lie beside it; no engine is needed."""

from __future__ import annotations

from pathlib import Path

import yaml

DOCKER = Path(__file__).parents[2] / "docker"


def test_folders_that_are_mounted_are_there_from_the_beginning() -> None:
    # Compose would make a missing one as root, where the chaos scripts of anybody else could not write.
    services = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]
    mounted = [mount for service in services.values() for mount in service.get("volumes", ())]
    folders = [mount.partition(":")[0] for mount in mounted if mount.startswith(".")]
    assert folders == ["./sources"]
    assert all((DOCKER / folder / ".gitkeep").is_file() for folder in folders)
