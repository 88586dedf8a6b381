"""Faults of a running site: set, met by those they are for, counted, healed and lifted."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from emulator.errors import FaultRefused, ManagementPointUnavailable
from emulator.role_process import ROLE_CLASSES
from emulator.site import Site
from fixtures.topologies import find_topology
from tests.clients.until import until
from tests.emulator.faults.conftest import Enter

CLIENTS = "clients -> management_point"


async def test_one_client_meets_its_faults_and_the_other_none(site: Site, enter: Enter) -> None:
    unlucky, lucky = await enter("PC01"), await enter("PC02")

    # Replies to one of them come late.
    late = await site.set_fault({"kind": "latency", "on": CLIENTS, "client": "PC01", "seconds": 0.4})
    began = time.monotonic()
    await unlucky.policy_agent.request_assignments()
    assert time.monotonic() - began >= 0.4
    assert [status.hits for status in site.faults()] == [1]
    await lucky.policy_agent.request_assignments()
    assert [status.hits for status in site.faults()] == [1]
    await site.lift_fault(late)

    # Two of its policy requests are reset; then the fault is spent.
    await site.set_fault(
        {"kind": "reset", "on": "management_point", "client": unlucky.smsid, "endpoint": "MP_PolicyManager",
         "first": 2}
    )  # fmt: skip
    for _ in range(2):
        with pytest.raises(ManagementPointUnavailable, match=r"reset|disconnected"):
            await unlucky.policy_agent.request_assignments()
    await lucky.policy_agent.request_assignments()
    await unlucky.policy_agent.request_assignments()
    assert [(status.id, status.hits, status.active) for status in site.faults()] == [
        ("latency-1", 1, False),
        ("reset-1", 2, False),
    ]
    told = [(e.phase, e.what) for e in site.history.events if e.what in ("set_fault", "lift_fault")]
    assert told == [
        ("invoke", "set_fault"), ("ok", "set_fault"), ("invoke", "lift_fault"), ("ok", "lift_fault"),
        ("invoke", "set_fault"), ("ok", "set_fault"),
    ]  # fmt: skip


async def test_a_fault_heals_after_its_time(site: Site) -> None:
    # 60 seconds of this site are one.
    spec = {"kind": "stopped", "on": "distribution_point", "duration": 30}
    await site.set_fault(spec)
    assert site.broken == {"distribution_point": "stopped"}
    await until(lambda: not site.faults()[0].active)
    assert site.broken == {}
    assert (await site.probe("distribution_point")).answers
    assert site.faults()[0].spec == spec
    lifted = [e for e in site.history.events if e.what == "lift_fault" and e.phase == "invoke"]
    assert [e.detail["by"] for e in lifted] == ["duration"]


async def test_what_cannot_be_done_is_refused_by_name(site: Site) -> None:
    for spec, told in (
        ({"kind": "killed", "on": "management_point"}, "use --mode processes"),
        ({"kind": "stopped", "on": "PC77"}, "nothing is called 'PC77'; valid:"),
        ({"kind": "stopped", "on": CLIENTS}, "a link cannot have it; valid: a role or a computer"),
        ({"kind": "reset", "on": "clients -> site_server"}, "no link goes from .* valid: clients -> "),
        ({"kind": "reset", "on": "management_point -> site_database", "client": "PC01"}, "there is no HTTP"),
        ({"kind": "reset", "on": "clients -> distribution_point", "client": "PC01"}, "client: no request"),
    ):
        with pytest.raises(FaultRefused, match=told):
            await site.set_fault(spec)
    with pytest.raises(FaultRefused, match="no fault has the id 'reset-9'; valid: none"):
        await site.lift_fault("reset-9")
    await site.set_fault({"kind": "stopped", "on": "distribution_point"})
    with pytest.raises(FaultRefused, match="is away already \\(stopped\\)"):
        await site.set_fault({"kind": "hung", "on": "distribution_point"})
    assert [(s.id, s.active) for s in site.faults()] == [("stopped-1", True)]
    await site.lift_faults()
    assert site.broken == {}


@pytest.mark.parametrize(
    ("role", "spec"),
    [
        ("management_point", {"kind": "skewed_clock", "seconds": 10}),
        ("distribution_point", {"kind": "expired_certificate"}),
        ("site_database", {"kind": "database_read_only"}),
        ("site_database", {"kind": "database_out_of_connections"}),
        ("site_database", {"kind": "database_slow"}),
        ("site_database", {"kind": "database_restarting"}),
    ],
    ids=str,
)
async def test_a_role_has_a_fault_of_one_kind_once(site: Site, role: str, spec: dict[str, object]) -> None:
    first = await site.set_fault({"on": role, **spec})
    with pytest.raises(FaultRefused, match=rf"{spec['kind']}: {role} has it already \({first}\): lift that"):
        await site.set_fault({"on": site.roles[role].computer, **spec})
    assert [status.id for status in site.faults()] == [first]
    await site.lift_fault(first)
    assert not site.clock.settings.skew
    second = await site.set_fault({"on": role, **spec})  # and again, when it is over
    await site.lift_fault(second)


async def test_an_outage_that_was_healed_and_not_lifted_can_be_set_again(site: Site) -> None:
    for _ in range(2):
        await site.set_fault({"kind": "stopped", "on": "distribution_point"})
        await site.heal("distribution_point")
    await site.lift_faults()
    assert site.broken == {}


async def test_a_site_without_links_has_no_relay_and_refuses_what_needs_one() -> None:
    async with Site(find_topology("one-computer")) as site:
        assert site.network is None
        assert site.url("management_point") == site.roles["management_point"].url
        with pytest.raises(FaultRefused, match="the site has no links; start it with links"):
            await site.set_fault({"kind": "latency", "on": CLIENTS, "seconds": 1})
        assert site.faults() == []


@pytest.mark.parametrize("kind", ROLE_CLASSES)
def test_a_roles_own_process_loads_nothing_of_the_fault_layer(kind: str) -> None:
    module, _ = ROLE_CLASSES[kind]
    told = (
        f"import sys, emulator.role_process, {module}; "
        "print([name for name in sys.modules if name.startswith('emulator.faults')])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
