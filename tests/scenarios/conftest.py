"""Scenario tests share their saboteurs as modules of the repository's own ``tests`` folder."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:  # bare `pytest` does not put the repository there, `python -m pytest` does
    sys.path.insert(0, ROOT)
