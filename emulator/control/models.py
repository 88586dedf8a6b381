"""What goes over the control API, as pydantic models; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# In their order; whoever has come to one has been through those before it.
STAGES = ("offline", "starting", "database_reachable", "seeded", "ready")
Stage = Literal["offline", "starting", "database_reachable", "seeded", "ready"]

Seconds = Annotated[float, Field(ge=0, le=600)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Given(BaseModel):
    """Something that a caller sends: fields nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RoleHealth(BaseModel):
    """How far one role has come."""

    role: str
    stage: Stage
    reason: str = Field(description="what was seen")
    since: float = Field(description="real seconds since 1970 at which this stage was first seen")


class Health(BaseModel):
    """How far the site has come: as far as its last role."""

    stage: Stage
    roles: list[RoleHealth]


class HealthQuery(Given):
    stage: Stage = Field(default="ready", description="503 is the answer until this stage is reached")


class RoleView(BaseModel):
    name: str
    kind: str
    computer: str
    address: str = Field(description="a URL, or the site database's DSN")
    offline: str | None = Field(description="the fault that took it away")


class TopologyView(BaseModel):
    name: str
    site_code: str
    mode: str
    roles: list[RoleView]


class FaultTable(BaseModel):
    """A fault as it would stand in a scenario: its kind, where it acts, its settings and selectors."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    kind: Name
    on: Name


class FaultId(BaseModel):
    id: str


class FaultView(BaseModel):
    id: str
    fault: dict[str, Any]
    hits: int
    active: bool = Field(description="it may still strike: neither lifted, nor healed, nor spent")
    lifted: bool = Field(description="by somebody, or by itself; a spent fault is neither active nor lifted")


class Faults(BaseModel):
    faults: list[FaultView]


class Done(BaseModel):
    """What was really done to each role or link."""

    done: dict[str, str]


class ClockView(BaseModel):
    speed: float
    frozen: bool
    site_time: float = Field(description="seconds since 1970")
    skew: dict[str, float] = Field(description="seconds by which a role's clock is wrong")


class ClockChange(Given):
    speed: float | None = Field(default=None, description="site seconds per real second")
    frozen: bool | None = None
    advance: float | None = Field(default=None, ge=0, description="seconds")
    skew: dict[str, float] | None = Field(
        default=None, description="role or client -> seconds by which its clock shall be wrong"
    )


class ClientView(BaseModel):
    name: str
    smsid: str
    waiting: int = Field(description="reports in its queue")


class Clients(BaseModel):
    clients: list[ClientView]


class Trigger(Given):
    schedule: Name = Field(
        description="a TriggerSchedule id: {00000000-0000-0000-0000-000000000021}, or its number"
    )


class SnapshotName(Given):
    name: Name


class SnapshotView(BaseModel):
    name: str
    taken: str = Field(description="site time, ISO 8601")
    topology: str
    roles: list[str]
    clients: bool


class UnusableSnapshot(BaseModel):
    """One that cannot be loaded here, only deleted."""

    name: str
    reason: str


class SnapshotList(BaseModel):
    snapshots: list[SnapshotView]
    unusable: list[UnusableSnapshot] = Field(description="another version's or site's, or not whole")


class HistoryQuery(Given):
    after: int = Field(default=-1, ge=-1, le=2**53, description="events with a greater number")
    limit: int = Field(default=1000, ge=0, le=10000)
    who: str | None = None
    what: str | None = None


class HistoryView(BaseModel):
    events: list[dict[str, Any]]


class Wanted(Given):
    """Fields of the journal; what is left out may be anything."""

    role: str | None = None
    client: str | None = None
    smsid: str | None = None
    endpoint: str | None = None
    kind: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    message_id: str | None = None
    policy: str | None = None
    package: str | None = None

    def fields(self) -> dict[str, Any]:
        return {name: value for name in Wanted.model_fields if (value := getattr(self, name)) is not None}


class JournalQuery(Wanted):
    after: float = Field(default=0.0, ge=0, description="real seconds since 1970")
    limit: int = Field(default=100, ge=0, le=10000, description="the newest so many")


class Expectation(Wanted):
    after: float = Field(default=0.0, ge=0, description="real seconds since 1970")
    times: int = Field(default=1, ge=0, le=100000, description="exactly so many; 0: none in all that time")
    or_more: bool = Field(default=False, description="at least so many: answered as soon as they have come")
    within: Seconds = Field(default=5.0, description="real seconds")


class JournalView(BaseModel):
    entries: list[dict[str, Any]]


class Count(BaseModel):
    count: int


class ReproduceRequest(Given):
    rows: list[Name] = Field(default=[], description="rows of the table; all when empty")
    fault: Name = "stopped"


class Report(BaseModel):
    """The report of the failure table."""

    model_config = ConfigDict(extra="allow")

    succeeded: bool
