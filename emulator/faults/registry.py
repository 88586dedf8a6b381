"""Every kind of fault, and how a table of settings becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from emulator.choices import choices
from emulator.errors import FaultRefused
from emulator.faults.breaks import ByteLimit, Garbage, Reset, Truncated
from emulator.faults.database_faults import (
    DatabaseOutOfConnections,
    DatabaseReadOnly,
    DatabaseRestarting,
    DatabaseSlow,
)
from emulator.faults.delays import Bandwidth, Hang, Latency, Sliced, SlowClose
from emulator.faults.exchange import PLACES
from emulator.faults.fault import Fault
from emulator.faults.full_disk import DiskFull
from emulator.faults.offline import FailingRole, HungRole, KilledRole, PartitionedRole, StoppedRole
from emulator.faults.refused import RefusedLink
from emulator.faults.scope import scope_of
from emulator.faults.wire_fault import ENDPOINTS, WireFault
from emulator.faults.wrong_answers import HttpError, ProtocolError
from emulator.faults.wrong_content import FlippedBytes, WrongHash
from emulator.faults.wrong_time import ExpiredCertificate, SkewedClock
from emulator.topology import Topology

KINDS: dict[str, type[Fault]] = {
    cls.kind: cls
    for cls in (
        StoppedRole,
        KilledRole,
        HungRole,
        FailingRole,
        PartitionedRole,
        RefusedLink,
        Latency,
        Bandwidth,
        Sliced,
        Hang,
        SlowClose,
        Reset,
        Truncated,
        ByteLimit,
        Garbage,
        HttpError,
        ProtocolError,
        FlippedBytes,
        WrongHash,
        DatabaseReadOnly,
        DatabaseOutOfConnections,
        DatabaseRestarting,
        DatabaseSlow,
        DiskFull,
        SkewedClock,
        ExpiredCertificate,
    )
}


def read_fault(spec: Mapping[str, Any], topology: Topology | None = None) -> Fault:
    """The fault that a table describes; with a topology, its scope is checked against it too.

    Raises:
        FaultRefused: an unknown kind, setting, selector, value or scope, with what is valid there.
    """
    settings = dict(spec)
    kind = settings.pop("kind", None)
    if kind is None:
        raise FaultRefused.naming_valid("kind: missing", KINDS)
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultRefused.naming_valid(f"kind: unknown fault {kind!r}", KINDS)
    try:
        fault = KINDS[kind].model_validate(settings)
    except ValidationError as exc:
        raise _refused(kind, exc, KINDS[kind]) from exc
    if isinstance(fault, WireFault) and fault.endpoint is not None:
        valid = (*ENDPOINTS, *PLACES)
        if fault.endpoint.casefold() not in {name.casefold() for name in valid}:
            raise FaultRefused.naming_valid(f"{kind}: endpoint: unknown endpoint {fault.endpoint!r}", valid)
    if topology is not None:
        scope_of(fault, topology)
    return fault


def _refused(kind: str, error: ValidationError, cls: type[Fault]) -> FaultRefused:
    """Pydantic's first complaint, with the valid names where a name is wrong."""
    # A misspelt name explains a missing one.
    found = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return FaultRefused.naming_valid(f"{kind}: unknown setting {place!r}", cls.model_fields)
    if found["type"] == "missing":
        return FaultRefused(f"{kind}: {place}: missing; {cls.model_fields[place].description}")
    message = str(found["msg"]).removeprefix("Value error, ")
    if not place:
        return FaultRefused(f"{kind}: {message}")
    refused = FaultRefused(f"{kind}: {place}: {message[:1].lower()}{message[1:]}, not {found['input']!r}")
    refused.valid = choices(cls.model_fields[place].annotation) if place in cls.model_fields else ()
    return refused
