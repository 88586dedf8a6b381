"""A toxic: what Toxiproxy calls one thing that goes wrong on a link, and the fault of ours that it is.

Attributes have Toxiproxy's names, units and zeros: milliseconds, kilobytes (1000 bytes) a second, bytes;
one that is left out is 0. A toxic without effect, of no delay or of toxicity 0, is kept and listed; no fault
belongs to it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from emulator.control.toxiproxy_body import BadBody, Body, read_attributes
from emulator.errors import ConfigMgrError

STREAMS = {"upstream": "requests", "downstream": "replies"}
LONGEST = 3600  # seconds for which a fault of ours delays anything

Milliseconds = Annotated[int, Field(ge=0, le=LONGEST * 1000)]
# A client library sends what was not said as an empty text.
Stream = Annotated[
    Literal["upstream", "downstream"] | None,
    BeforeValidator(lambda given: given.lower() or None if isinstance(given, str) else given),
]
Toxicity = Annotated[float, Field(ge=0, le=1)]


class BadToxic(ConfigMgrError):
    """The toxic cannot be set here."""


class Attributes(Body):
    """The settings of one type of toxic."""

    @abstractmethod
    def fault(self, stream: str) -> dict[str, Any] | None:
        """The table of our fault; None if nothing would be different."""


class Latency(Attributes):
    latency: Milliseconds = 0
    jitter: Milliseconds = 0

    @model_validator(mode="after")
    def _not_into_the_past(self) -> Latency:
        if self.jitter > self.latency:
            raise ValueError(f"jitter: at most {self.latency}, the latency that it goes around")
        return self

    def fault(self, stream: str) -> dict[str, Any] | None:
        late, more = self.latency / 1000, self.jitter / 1000
        table = {"kind": "latency", "seconds": late, "jitter": more, "direction": STREAMS[stream]}
        return table if self.latency else None


class Bandwidth(Attributes):
    rate: int = Field(default=0, ge=0, le=10**12)

    def fault(self, stream: str) -> dict[str, Any]:
        """At rate 0 Toxiproxy lets nothing pass until the toxic is gone, and loses nothing of it."""
        if not self.rate:
            return {"kind": "latency", "seconds": float(LONGEST), "direction": STREAMS[stream]}
        return {"kind": "bandwidth", "bytes_per_second": self.rate * 1000, "direction": STREAMS[stream]}


class SlowClose(Attributes):
    delay: Milliseconds = 0

    def fault(self, stream: str) -> dict[str, Any] | None:
        return {"kind": "slow_close", "seconds": self.delay / 1000} if self.delay else None


class Timeout(Attributes):
    timeout: Milliseconds = 0

    def fault(self, stream: str) -> dict[str, Any]:
        """What Toxiproxy drops meanwhile arrives here, if the toxic goes before its time is over."""
        table = {"kind": "hang", "part": "request" if stream == "upstream" else "reply"}
        return {**table, "close_after": self.timeout / 1000} if self.timeout else table


class ResetPeer(Attributes):
    timeout: Milliseconds = 0

    def fault(self, stream: str) -> dict[str, Any]:
        """The other side never has what was asked, whichever stream is named: there both die with the one."""
        return {"kind": "reset", "seconds": self.timeout / 1000} if self.timeout else {"kind": "reset"}


class Slicer(Attributes):
    average_size: int = Field(default=0, ge=1, le=2**31, validate_default=True)
    size_variation: int = Field(default=0, ge=0)
    delay: int = Field(default=0, ge=0, le=LONGEST * 10**6)  # microseconds

    @model_validator(mode="after")
    def _of_something(self) -> Slicer:
        if self.size_variation >= self.average_size:
            raise ValueError(f"size_variation: below {self.average_size}, the size that it goes around")
        return self

    def fault(self, stream: str) -> dict[str, Any]:
        table = {"kind": "sliced", "bytes": self.average_size, "variation": self.size_variation}
        return {**table, "pause": self.delay / 1e6, "direction": STREAMS[stream]}


class LimitData(Attributes):
    # Without any byte there is no reply that could end; validated when left out, since then it is 0.
    bytes: int = Field(default=0, ge=1, le=2**63 - 1, validate_default=True)

    def fault(self, stream: str) -> dict[str, Any]:
        return {"kind": "byte_limit", "bytes": self.bytes}


TYPES: dict[str, type[Attributes]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
}


class ToxicBody(Body):
    """A toxic that is to be added."""

    name: str | None = None
    type: str
    stream: Stream = None
    toxicity: Toxicity = 1.0
    attributes: dict[str, Any] | None = None

    def toxic(self) -> Toxic:
        """The toxic that is asked for.

        Raises:
            BadToxic: there is no such type. BadBody: it has no such attribute, or cannot have it so.
        """
        if self.type not in TYPES:
            raise BadToxic(f"invalid toxic type {self.type!r}; valid: {', '.join(TYPES)}")
        stream = self.stream or "downstream"
        attributes = read_attributes(TYPES[self.type], self.attributes or {})
        return Toxic(self.name or f"{self.type}_{stream}", self.type, stream, self.toxicity, attributes)


class ToxicChange(Body):
    """What is to be different in a toxic; its name, type and stream may be said again."""

    name: str | None = None
    type: str | None = None
    stream: Stream = None
    toxicity: Toxicity | None = None
    attributes: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Toxic:
    """One that was added, as its owner knows it."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Attributes
    set_as: str | None = None  # the id of the fault in the site; None for one without effect

    def fault(self) -> dict[str, Any] | None:
        """The table of our fault, but for where it acts; None for a toxic without effect."""
        table = self.attributes.fault(self.stream)
        if table is None or not self.toxicity:
            return None
        return {**table, "probability": self.toxicity} if self.toxicity < 1 else table

    def changed(self, change: ToxicChange) -> Toxic:
        """The toxic that it shall be.

        Raises:
            BadBody: an attribute is wrong, or something is to change that a toxic has for good.
        """
        for fixed in ("name", "type", "stream"):
            if getattr(change, fixed) not in (None, "", getattr(self, fixed)):
                raise BadBody(f"{fixed}: it stays {getattr(self, fixed)!r}; valid: toxicity, attributes")
        merged = {**self.attributes.model_dump(exclude_unset=True), **(change.attributes or {})}
        toxicity = self.toxicity if change.toxicity is None else change.toxicity
        attributes = read_attributes(TYPES[self.type], merged)
        return replace(self, toxicity=toxicity, attributes=attributes, set_as=None)

    def view(self) -> dict[str, Any]:
        """As Toxiproxy shows it, with those attributes that were given."""
        return {
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": self.attributes.model_dump(exclude_unset=True),
        }
