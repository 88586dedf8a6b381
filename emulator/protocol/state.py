"""State messages: what state a topic (an update, an assignment, a deployment) is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.policy_body import cim_datetime, read_cim_datetime
from emulator.protocol.report import ReportHeader
from emulator.protocol.xml import (
    INT64_MAX,
    attribute,
    child,
    expect_root,
    new,
    number,
    parse_xml,
    required,
    serialize,
    text_of,
)

REPORT_CONTENT = "State Message Data"


@dataclass(frozen=True, slots=True)
class StateMessage:
    """One state; the serial number is a counter the client keeps for ever."""

    serial: int
    time: datetime
    topic_type: int
    topic_id: str
    state_id: int
    details: str = ""


@dataclass(frozen=True, slots=True)
class StateReport:
    """State messages on their way."""

    header: ReportHeader
    messages: tuple[StateMessage, ...] = ()

    def to_xml(self) -> str:
        root = new("Report")
        self.header.append_to(root)
        body = child(root, "ReportBody")
        for message in self.messages:
            element = child(
                body,
                "StateMessage",
                MessageTime=cim_datetime(message.time),
                SerialNumber=str(message.serial),
            )
            topic = {"ID": message.topic_id, "Type": str(message.topic_type), "IDType": "0"}
            child(element, "Topic", **topic, User="", UserSID="")
            child(element, "State", ID=str(message.state_id), Criticality="0")
            child(element, "StateDetails", message.details)
            child(element, "UserParameters", Flags="0", Count="0")
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage."""
        root = expect_root(parse_xml(text), "Report")
        header = ReportHeader.read_from(root)
        return cls(header, tuple(_message(e, header) for e in root.iterfind("ReportBody/StateMessage")))


def _message(element: etree._Element, header: ReportHeader) -> StateMessage:
    topic, state = element.find("Topic"), element.find("State")
    if topic is None or state is None:
        raise MalformedMessage("<StateMessage> needs <Topic> and <State>")
    time = attribute(element, "MessageTime")
    return StateMessage(
        serial=number(attribute(element, "SerialNumber", "0"), "SerialNumber", low=0, high=INT64_MAX),
        time=read_cim_datetime(time) if time else header.date,
        topic_type=number(required(topic, "Type"), "the topic's Type"),
        topic_id=attribute(topic, "ID"),
        state_id=number(required(state, "ID"), "the state's ID"),
        details=text_of(element, "StateDetails"),
    )
