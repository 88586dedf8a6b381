"""Tests on a real Docker engine, with the image built of this very source tree.

Where no engine answers, or it has no image, each of them is skipped and says why. ``.ci/run`` brings up an
engine and builds the image where it can.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from emulator.errors import CannotStart
from fixtures.lab.engine import require_engine

IMAGE = os.environ.get("CMEMU_IMAGE", "cmemu")


@pytest.fixture(scope="session")
def image() -> str:
    """The image's name; the test is skipped where it cannot be run."""
    try:
        asyncio.run(require_engine(IMAGE))
    except CannotStart as exc:
        pytest.skip(str(exc))
    return IMAGE
