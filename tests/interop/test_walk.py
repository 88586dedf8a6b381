"""The walk of the documentation, with curl and openssl alone, as it is written."""

from __future__ import annotations

import pytest

from tests.coverage_page import ROOT
from tests.interop.conftest import PASSWORD, USER, Run, RunningSite

WALK = ROOT / "docs" / "curl-walk.sh"


@pytest.mark.proves("interop.walk")
@pytest.mark.parametrize("account", ["", f"{USER}:{PASSWORD}"], ids=["anonymous", "NTLM"])
def test_the_walk_works_as_written(running: RunningSite, run: Run, account: str) -> None:
    told = (running.mp, "PS1", running.package_id, "1", *((account,) if account else ()))
    done = run("bash", WALK, *told)
    said = done.stdout.decode()
    assert done.returncode == 0, said + done.stderr.decode()
    assert "this computer is GUID:" in said
    assert "/SMS_MP/.sms_pol?" in said
    assert "<Policy " in said
    assert f"setup.exe: 16384 bytes, SHA-256 {running.digest_of('setup.exe')}" in said
