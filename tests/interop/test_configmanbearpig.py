"""configmanbearpig's HTTP collector, unmodified, in the Python that its wheel demands (3.13 or later).

Around the collector stands a directory service that we do not have: so the collector's own entry point is
called with a directory that knows every name, and what it finds out over HTTP is read back as JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Run, RunningSite, missing

# Where .ci/run puts it; an environment of its own, because our Python may be older than it wants.
PYTHON = Path(os.environ.get("CONFIGMANBEARPIG_PYTHON", ".tools/configmanbearpig/bin/python")).absolute()

DRIVER = """
import json, sys
from types import SimpleNamespace

def resolve(name):
    return {"name": name.split(".")[0].upper(), "dns_host_name": name}

from openhound_sccm.collectors.http import collect_http
context = SimpleNamespace(
    method_enabled=lambda method: True,
    register_target=lambda name, source=None, site_code=None: SimpleNamespace(
        is_new=True, ad_object=resolve(name), hostname=name, site_code=site_code
    ),
    resolve_principal=resolve,
    site_codes={"PS1"},
    target_hosts_by_hostname={},
)
json.dump([[table, row] for table, row in collect_http(sys.argv[1], context)], sys.stdout)
"""


def collected(run: Run, target: str) -> dict[str, list[dict[str, Any]]]:
    if not PYTHON.exists():
        # A machine without Python 3.13 cannot have it, and nothing that we could install changes that.
        missing(f"configmanbearpig (no {PYTHON})")
    done = run(str(PYTHON), "-c", DRIVER, target)
    assert done.returncode == 0, done.stderr.decode()
    tables: dict[str, list[dict[str, Any]]] = {}
    for table, row in json.loads(done.stdout.splitlines()[-1]):
        tables.setdefault(table, []).append(row)
    return tables


@pytest.mark.proves("interop.configmanbearpig.mp")
def test_it_finds_the_management_point_and_its_site(running: RunningSite, run: Run) -> None:
    tables = collected(run, running.mp.removeprefix("http://"))
    found = tables["http_management_points"]
    assert [row["dns_host_name"] for row in found] == ["mp1.lab.test"]
    assert found[0]["site_code"] == "PS1"
    assert found[0]["sccm_site_system_roles"] == "SMS Management Point@PS1"
    assert found[0]["client_cert_required"] is False


@pytest.mark.proves("interop.configmanbearpig.dp")
def test_it_finds_the_distribution_point(running: RunningSite, run: Run) -> None:
    tables = collected(run, running.dp.removeprefix("http://"))
    assert [row["sccm_site_system_roles"] for row in tables["http_distribution_points"]] == [
        "SMS Distribution Point"
    ]
    assert "http_management_points" not in tables


@pytest.mark.proves("interop.configmanbearpig.provider")
def test_it_finds_the_sms_provider(running: RunningSite, run: Run) -> None:
    address = running.site.only("site_server").https_url
    assert address
    tables = collected(run, address.removeprefix("https://"))
    assert [row["sccm_site_system_roles"] for row in tables["http_smsproviders"]] == ["SMS Provider"]
