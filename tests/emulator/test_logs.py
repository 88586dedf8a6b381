"""Log lines: made when somebody listens, and not before."""

from __future__ import annotations

import logging

import pytest

from emulator.logs import get_logger


class Costly:
    """A value that tells whether anybody looked at it."""

    looked = 0

    def __repr__(self) -> str:
        self.looked += 1
        return "costly"


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_line_is_made_only_when_somebody_listens(level: str, caplog: pytest.LogCaptureFixture) -> None:
    log, value = get_logger("logs_test"), Costly()
    with caplog.at_level(logging.WARNING, logger="cmemu"):
        getattr(log, level)("unheard", value=value)
    assert (value.looked, caplog.messages) == (0, [])
    with caplog.at_level(level.upper(), logger="cmemu"):
        getattr(log, level)("heard", value=value)
    assert value.looked
    assert "heard" in caplog.text
