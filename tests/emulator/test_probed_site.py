"""A stranger who asks a site's roles."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from emulator import probed_site
from emulator.probed_site import ProbedSite
from emulator.settings import RoleAddress


class SilentSite(ProbedSite):
    """One role, that takes connections and says nothing."""

    def __init__(self, port: int, broken: dict[str, str]) -> None:
        role = RoleAddress(name="MP", kind="management_point", computer="MP1", host="127.0.0.1", port=port)
        self.roles = {"MP": role}
        self.secret = "s3cret"
        self.network = None
        self._broken = broken
        self.topology = SimpleNamespace(security=SimpleNamespace(native=False))  # type: ignore[assignment]

    @property
    def broken(self) -> dict[str, str]:
        return self._broken


@pytest.mark.parametrize(("broken", "patience"), [({}, 0.2), ({"MP": "hung"}, 0.1)])
async def test_who_was_taken_away_is_waited_for_less_long(
    broken: dict[str, str], patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probed_site, "PATIENCE", 0.2)
    monkeypatch.setattr(probed_site, "PATIENCE_WITH_THE_BROKEN", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # nobody takes what comes in
        site = SilentSite(server.getsockname()[1], broken)
        seen = await site.probe("MP")
        assert (seen.answers, seen.seen) == (False, f"no answer within {patience:g} s")
        assert (await site.probe("MP", 0.05)).seen == "no answer within 0.05 s"
