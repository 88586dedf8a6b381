"""How far has come what runs in this container? For HEALTHCHECK and probes: ``health.py [STAGE]``.

Whoever starts roles leaves a list of what to ask in ``$CMEMU_DATA/health.json``; this asks. It uses the
standard library only, by ``python -I -S``: it is run every few seconds, and must cost next to nothing.

Exit status 0: every role has come to the stage. 1: one has not, and the line says which. 2: there is no such
stage. The stages are the last two of the control API's (``emulator.control.readiness``): at ``seeded``, the
default, each role answers, if only that another role is away, since it is not this container that is ill
then; at ``ready`` none says so.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SECONDS = 3.0  # real; for each role
FILE = "health.json"
UNAVAILABLE = 503
SEEDED, READY = "seeded", "ready"
STAGES = (SEEDED, READY)
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)  # PostgreSQL answers it with one byte, S or N


def write_checks(folder: Path, checks: Iterable[Mapping[str, Any]]) -> None:
    """Leave the list: ``role``, ``host`` and ``port`` of each; ``path`` and ``secret`` if it speaks HTTP."""
    new = folder / f"{FILE}.new"
    new.touch(mode=0o600)  # the site's secret stands in it
    new.write_text(json.dumps(list(checks)), encoding="utf-8")
    new.replace(folder / FILE)


def lacks(check: Mapping[str, Any], stage: str) -> str:
    """Ask one role; returns what keeps it from the stage, or nothing."""
    try:
        if "path" not in check:
            return _postgres(check)
        connection = http.client.HTTPConnection(check["host"], check["port"], timeout=SECONDS)
        connection.request("GET", check["path"], headers={"Authorization": f"Bearer {check['secret']}"})
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as exc:
        return f"{type(exc).__name__}: {exc}"
    return f"HTTP {status}" if status == UNAVAILABLE or (stage == READY and status >= 500) else ""


def _postgres(check: Mapping[str, Any]) -> str:
    with socket.create_connection((check["host"], check["port"]), timeout=SECONDS) as connection:
        connection.sendall(_SSL_REQUEST)
        return "" if connection.recv(1) in (b"S", b"N") else "accepted, and closed without an answer"


def main(folder: Path, stage: str = SEEDED) -> int:
    """Ask every role of the list."""
    if stage not in STAGES:
        print(f"unknown stage {stage!r}; valid: {', '.join(STAGES)}")
        return 2
    try:
        checks = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        print(f"nothing is ready yet ({exc})")
        return 1
    ill = [f"{check['role']}: {wrong}" for check in checks if (wrong := lacks(check, stage))]
    print("; ".join(ill) or f"{len(checks)} roles {'are ready' if stage == READY else 'answer'}")
    return 1 if ill else 0


if __name__ == "__main__":
    sys.exit(main(Path(os.environ.get("CMEMU_DATA", ".")), *sys.argv[1:2]))
