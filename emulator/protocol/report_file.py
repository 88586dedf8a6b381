"""The file a report is between management point and loader: in outboxes and inboxes.

The product's file bodies are undocumented; ours is one line of JSON, then the report as it
was received. Public clients repeat message ids, so a report is known by id, sender and
payload digest together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from emulator.errors import MalformedMessage
from emulator.protocol.inventory import IDMIF_ACTION
from emulator.protocol.names import normalize_smsid
from emulator.protocol.xml import parse_xml


class ReportKind(StrEnum):
    """The kinds of report."""

    HARDWARE_INVENTORY = "hardware_inventory"
    SOFTWARE_INVENTORY = "software_inventory"
    DISCOVERY = "discovery"
    METERING = "metering"
    STATUS = "status"
    STATE = "state"
    FILE_COLLECTION = "file_collection"
    IDMIF = "idmif"


# What the agents of a simulated client report; the others come from clients of other makers.
AGENT_KINDS = tuple(kind for kind in ReportKind if kind not in (ReportKind.FILE_COLLECTION, ReportKind.IDMIF))

# kind -> inbox on the site server, below inboxes; those of metering, files and IDMIF are not documented.
INBOX = {
    ReportKind.HARDWARE_INVENTORY: "auth/dataldr.box",
    ReportKind.SOFTWARE_INVENTORY: "auth/sinv.box",
    ReportKind.DISCOVERY: "auth/ddm.box",
    ReportKind.METERING: "auth/swmproc.box",
    ReportKind.STATUS: "statmgr.box/statmsgs",
    ReportKind.STATE: "auth/statesys.box/incoming",
    ReportKind.FILE_COLLECTION: "auth/filecol.box",
    ReportKind.IDMIF: "auth/idmif.box",
}
SUFFIX = {
    ReportKind.HARDWARE_INVENTORY: ".MIF",
    ReportKind.SOFTWARE_INVENTORY: ".SIC",
    ReportKind.DISCOVERY: ".DDR",
    ReportKind.METERING: ".SWM",
    ReportKind.STATUS: ".SVF",
    ReportKind.STATE: ".SMX",
    ReportKind.FILE_COLLECTION: ".FCL",
    ReportKind.IDMIF: ".NHM",
}
_ENDPOINTS = {
    "mp_hinvendpoint": ReportKind.HARDWARE_INVENTORY,
    "mp_sinvendpoint": ReportKind.SOFTWARE_INVENTORY,
    "mp_ddrendpoint": ReportKind.DISCOVERY,
    "mp_sinvcollfileendpoint": ReportKind.FILE_COLLECTION,
    "statusreceiver": ReportKind.STATUS,
}
_FILE_TYPES = {"SMX": ReportKind.STATE, "SWM": ReportKind.METERING, "IDMIF": ReportKind.IDMIF}


def kind_of(endpoint: str, body_text: str, file_type: str = "") -> ReportKind:
    """Which kind of report an endpoint's message is.

    The relay takes three kinds. A message property names the file type; public clients send none,
    so the content tells it too, and must not contradict.

    Raises:
        MalformedMessage: it is no report that this site takes.
    """
    kind = _ENDPOINTS.get(endpoint.lower())
    if kind:
        return kind
    if endpoint.lower() != "mp_relayendpoint":
        raise MalformedMessage(f"{endpoint} takes no reports")
    told = _kind_of_content(body_text)
    named = _FILE_TYPES.get(file_type.upper()) if file_type else told
    if named is None or told not in (None, named):
        raise MalformedMessage(
            f"the relay takes state messages (SMX), metering (SWM) and IDMIF, not {file_type or 'this'}"
        )
    return named


def _kind_of_content(body_text: str) -> ReportKind | None:
    root = parse_xml(body_text)
    content = root.findtext("ReportHeader/ReportDetails/ReportContent") or ""
    action = root.findtext("ReportHeader/InventoryAction/InventoryActionID") or ""
    if root.find("ReportBody/StateMessage") is not None:
        return ReportKind.STATE
    if root.find(".//HistoricalMeterData") is not None or "Metering" in content:
        return ReportKind.METERING
    if content.strip().upper() == "IDMIF" or action.strip() == IDMIF_ACTION:
        return ReportKind.IDMIF
    return None


def message_id_of(data: bytes) -> str | None:
    """The id of the message that a report file came in; None where its head cannot be read."""
    try:
        return str(json.loads(data.partition(b"\n")[0])["message_id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One report with what the management point knows of it."""

    kind: ReportKind
    message_id: str
    sender: str
    payload: str
    received: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, hex."""
        return hashlib.sha256(self.payload.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def key(self) -> str:
        """The name of the file: the same report has the same one."""
        identity = f"{self.message_id}|{self.sender}|{self.digest}"
        return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def to_bytes(self) -> bytes:
        head = {
            "kind": self.kind.value,
            "message_id": self.message_id,
            "sender": self.sender,
            "received": self.received.isoformat(),
            "digest": self.digest,
        }
        return json.dumps(head).encode() + b"\n" + self.payload.encode("utf-8", "surrogatepass")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises MalformedMessage: no report file, or its payload is not the one its head names."""
        head, newline, payload = data.partition(b"\n")
        try:
            values = json.loads(head)
            file = cls(
                kind=ReportKind(values["kind"]),
                message_id=str(values["message_id"]),
                sender=normalize_smsid(str(values["sender"])),
                payload=payload.decode("utf-8", "surrogatepass"),
                received=datetime.fromisoformat(values["received"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise MalformedMessage(f"no report file ({exc})", raw=data[:200]) from exc
        if not newline or file.digest != values.get("digest"):
            raise MalformedMessage("the report file's payload is not the one its head names", raw=data[:200])
        if file.received.tzinfo is None:
            raise MalformedMessage("the report file's time has no zone", raw=data[:200])
        return file
