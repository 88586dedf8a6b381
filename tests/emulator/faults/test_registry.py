"""A table becomes a fault, or is refused with what is valid there."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import FaultRefused
from emulator.faults.delays import Latency
from emulator.faults.fault import Fault, RoleFault
from emulator.faults.refused import RefusedLink
from emulator.faults.registry import KINDS, read_fault
from emulator.faults.wire_fault import ENDPOINTS, WireFault
from emulator.management_point.report_endpoints import REPORT_ENDPOINTS
from fixtures.topologies import find_topology

CLIENTS = "clients -> management_point"


def concrete(cls: type[Fault]) -> set[type[Fault]]:
    below = {sub for each in cls.__subclasses__() for sub in concrete(each)}
    return below | ({cls} if "kind" in vars(cls) else set())


def test_every_fault_there_is_can_be_named() -> None:
    assert concrete(Fault) == set(KINDS.values())
    for kind, cls in KINDS.items():
        assert cls.kind == kind
        assert cls.sentence().endswith((".", ":")), kind
        assert issubclass(cls, RoleFault | WireFault | RefusedLink)
        assert all(field.description for field in cls.model_fields.values()), kind


def test_endpoints_are_those_of_a_management_point() -> None:
    assert set(REPORT_ENDPOINTS) <= set(ENDPOINTS)


def test_settings_selectors_and_counting_are_read() -> None:
    spec = {
        "kind": "latency", "on": CLIENTS, "seconds": 1, "jitter": 0.5, "client": "PC01",
        "endpoint": "MP_PolicyManager", "first": 3, "skip": 1, "every": 2, "probability": 0.5, "duration": 10,
    }  # fmt: skip
    fault = read_fault(spec, find_topology("typical"))
    assert isinstance(fault, Latency)
    assert (fault.seconds, fault.first, fault.duration) == (1.0, 3, 10.0)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "kind: missing; valid: stopped, killed, hung, failing, partitioned, refused, latency"),
        ({"kind": "lag"}, "kind: unknown fault 'lag'; valid: stopped, killed"),
        ({"kind": ["latency"]}, "kind: unknown fault .'latency'.; valid: stopped"),
        ({"kind": "stopped"}, "stopped: on: missing; a role, a kind of role, a computer, or"),
        ({"kind": "latency", "on": CLIENTS}, "latency: seconds: missing; real seconds"),
        (
            {"kind": "latency", "on": CLIENTS, "secs": 1},
            "latency: unknown setting 'secs'; valid: on, duration",
        ),
        (
            {"kind": "latency", "on": CLIENTS, "seconds": -1},
            "seconds: input should be greater than 0, not -1",
        ),
        (
            {"kind": "latency", "on": CLIENTS, "seconds": "1"},
            "seconds: input should be a valid number, not '1'",
        ),
        ({"kind": "latency", "on": CLIENTS, "seconds": True}, "seconds: input should be a valid number"),
        ({"kind": "latency", "on": CLIENTS, "seconds": float("nan")}, "seconds: input should be"),
        (
            {"kind": "latency", "on": CLIENTS, "seconds": 1, "direction": "up"},
            "'requests', 'replies' or 'both'",
        ),
        (
            {"kind": "reset", "on": CLIENTS, "probability": 1.5},
            "probability: input should be less than or equal",
        ),
        ({"kind": "reset", "on": CLIENTS, "first": 0}, "first: input should be greater than or equal to 1"),
        ({"kind": "reset", "on": CLIENTS, "every": 1.5}, "every: input should be a valid integer"),
        (
            {"kind": "reset", "on": CLIENTS, "endpoint": "MP_X"},
            "unknown endpoint 'MP_X'; valid: MP_ClientReg",
        ),
        *(
            ({"kind": "reset", "on": CLIENTS, name: ""}, f"{name}: string should have at least 1 character")
            for name in ("role", "client", "endpoint", "category", "policy")
        ),
        *(
            (
                {"kind": "reset", "on": CLIENTS, "package": name},
                "package: no package has such an id; valid: a",
            )
            for name in ("", "S010000", "S01000011", "S010000G", "../etc/a", "S0100001\n")
        ),
        ({"kind": "stopped", "on": "MP1", "duration": 0}, "duration: input should be greater than 0"),
        ({"kind": "stopped", "on": "MP1", "client": "PC01"}, "unknown setting 'client'; valid: on, duration"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_valid(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(FaultRefused, match=told):
        read_fault(spec)
