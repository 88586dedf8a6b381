"""Status messages: an event class with properties, sent to the StatusReceiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from emulator.errors import MalformedMessage
from emulator.protocol.policy_body import cim_datetime, read_cim_datetime
from emulator.protocol.xml import attribute, child, expect_root, new, number, parse_xml, serialize, text_of

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """One event. Time and message id travel as qualifiers; their names are our choice."""

    event_class: str
    time: datetime
    properties: Mapping[str, str] = field(default_factory=dict)
    message_id: int = 0

    def to_xml(self) -> str:
        root = new("Status", SchemaVersion="1.0", CodePage="437", LocaleID="1033")
        child(root, "Type", self.event_class)
        properties = child(root, "Properties")
        for name, value in self.properties.items():
            child(properties, "Property", value, Name=name)
        qualifiers = child(root, "Qualifiers")
        child(qualifiers, "Qualifier", cim_datetime(self.time), Name="Time")
        child(qualifiers, "Qualifier", str(self.message_id), Name="MessageID")
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str, received: datetime = UNKNOWN_TIME) -> Self:
        """Read a status message; one in the documented form tells no time, and gets ``received``.

        Raises:
            MalformedMessage
        """
        root = expect_root(parse_xml(text), "Status")
        properties = {attribute(p, "Name"): p.text or "" for p in root.iterfind("Properties/Property")}
        qualifiers = {attribute(q, "Name"): q.text or "" for q in root.iterfind("Qualifiers/Qualifier")}
        event_class = text_of(root, "Type")
        if not event_class:
            raise MalformedMessage("<Status> names no Type")
        message_id = number(qualifiers.get("MessageID", "0"), "the qualifier MessageID")
        time = qualifiers.get("Time", "")
        return cls(event_class, read_cim_datetime(time) if time else received, properties, message_id)
