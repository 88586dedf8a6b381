"""How long the roles of a site wait where nobody is silent: a machine that stalls must not look like it."""

from __future__ import annotations

from typing import Any

PATIENT: dict[str, Any] = {"database_timeout": 30.0, "link_timeout": 30.0}  # real seconds
