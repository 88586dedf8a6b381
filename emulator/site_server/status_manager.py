"""Status Manager (statmgr): status messages of clients, and what they say of advertisements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.errors import MalformedMessage
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.protocol.status import StatusMessage
from emulator.site_database import status
from emulator.site_database.database import Session
from emulator.site_database.status import ERROR, INFORMATION, WARNING, OfferStatus, StatusRecord
from emulator.site_server.inbox_component import InboxComponent, Rejection

PACKAGE, ADVERTISEMENT, CLIENT_ID = 400, 401, 408  # SMS_StatMsgAttributes.AttributeID
MAX_MESSAGE_ID = 65535

# SMS_AdvertisementStatusInformation.MessageState
STATE_NAMES = {
    0: "No Status",
    1: "Accepted",
    2: "Rejected",
    3: "Expired",
    4: "Will Not Rerun",
    5: "Download In Progress",
    7: "Cancelled",
    8: "Waiting",
    9: "Running",
    10: "Retrying",
    11: "Failed",
    13: "Succeeded",
}


@dataclass(frozen=True, slots=True)
class Event:
    """What an event class means. The numbers are customary where client.md section 6 has none."""

    message_id: int
    state: int
    severity: int = INFORMATION


EVENTS = {
    "SoftDistOfferReceivedEvent": Event(10002, 1),
    "SoftDistProgramStartedEvent": Event(10005, 9),
    "SoftDistProgramErrorEvent": Event(10006, 11, ERROR),
    "SoftDistProgramErrorMIFEvent": Event(10007, 11, ERROR),
    "SoftDistProgramCompletedSuccessfullyEvent": Event(10008, 13),
    "SoftDistProgramCompletedSuccessfulMIFEvent": Event(10009, 13),
    "SoftDistProgramExceededTime": Event(10010, 11, WARNING),
    "SoftDistProgramUnexpectedRebootEvent": Event(10012, 10, WARNING),
    "SoftDistProgramPrelimSuccessEvent": Event(10011, 9),
    "SoftDistOfferRejectedPlatformEvent": Event(10018, 2, WARNING),
    "SoftDistOfferRejectedExpiredEvent": Event(10019, 3, WARNING),
    "SoftDistOfferRejectedInvalidPolicyEvent": Event(10020, 2, ERROR),
    "SoftDistProgramHasRunBefore": Event(10022, 4),
    "SoftDistProgramCancelled": Event(10023, 7),
    "SoftDistWaitingContentEvent": Event(10035, 8),
    "SoftDistWaitingForServiceWindowEvent": Event(10036, 8),
    "SoftDistDownloadFailedEvent": Event(10050, 11, ERROR),
    "SoftDistErrorNoContent": Event(10051, 11, ERROR),
    "SoftDistDownloadAndLocationFailedEvent": Event(10052, 11, ERROR),
    "SoftDistAdvertDownloadFailedEvent": Event(10053, 11, ERROR),
}
BY_MESSAGE_ID = {event.message_id: event for event in EVENTS.values()}

# A run has ended, well or badly. Each message counts once: ``Runs`` shows a doubled run, or load.
COMPLETIONS = frozenset({10006, 10007, 10008, 10009})

# Whether the client takes the advertisement up: received, or rejected, or not run again.
ACCEPTANCES = frozenset({10002, 10018, 10019, 10020, 10022})

# Insertion strings by the SDK's numbers, which count from 1.
_STRING_NUMBERS = {"AdvertisementId": 1, "PackageVersion": 2, "PackageName": 4, "ProgramName": 5}
_DUMMY_STRING = re.compile(r"DummyString([1-9])")
_FIRST_FREE = 10  # behind the SDK's: what else the event carried
_MANY = 60  # further properties that are kept


class StatusManager(InboxComponent[StatusMessage]):
    """Stores status messages and keeps ``SMS_ClientAdvertisementStatus``."""

    kind = ReportKind.STATUS
    log_name = "statmgr"
    bad_folder = "corrupt"  # not documented: the name the state system uses
    unknown_folder = "corrupt"

    def understand(self, file: ReportFile) -> StatusMessage:
        message = StatusMessage.from_xml(file.payload, file.received)
        if not 0 <= message.message_id <= MAX_MESSAGE_ID:
            raise MalformedMessage(f"a message id is 0 to {MAX_MESSAGE_ID}, not {message.message_id}")
        return message

    async def store(
        self, session: Session, file: ReportFile, content: StatusMessage, receipt: int
    ) -> Rejection | None:
        event = event_of(content)
        message_id = content.message_id or event.message_id
        # A message counts even if its sender is no resource (any more); an offer's status needs one.
        machine = await self.resource(session, file.sender)
        told = content.properties
        await status.store(
            session,
            StatusRecord(
                message_id=message_id,
                time=content.time,
                component="Software Distribution" if event.message_id else content.event_class,
                machine=machine.name if machine else file.sender,
                site_code=self.role.settings.site_code,
                severity=event.severity,
                event_class=content.event_class,
                strings=insertion_strings(told),
                attributes=attributes(told, file.sender),
            ),
            receipt,
        )
        offer = told.get("AdvertisementId", "")
        if offer and machine and event.message_id:
            await status.store_offer_status(
                session,
                machine.resource_id,
                OfferStatus(
                    advertisement_id=offer,
                    state=event.state,
                    state_name=STATE_NAMES[event.state],
                    message_id=message_id,
                    time=content.time,
                    result=told.get("ExitCode"),
                    completed=message_id in COMPLETIONS,
                    event_class=content.event_class,
                    severity=event.severity,
                    acceptance=message_id in ACCEPTANCES,
                ),
            )
        return None


def event_of(message: StatusMessage) -> Event:
    """What a message means: by its number if we know it, else by its class."""
    return BY_MESSAGE_ID.get(message.message_id) or EVENTS.get(message.event_class) or Event(0, 0)


def insertion_strings(told: Mapping[str, str]) -> tuple[str, ...]:
    """The properties in the places the SDK gives them, the others behind."""
    placed: dict[int, str] = {}
    others: list[str] = []
    for name, value in told.items():
        dummy = _DUMMY_STRING.fullmatch(name)
        number = _STRING_NUMBERS.get(name) or (int(dummy[1]) if dummy else None)
        if number and number not in placed:
            placed[number] = value
        elif name != "ClientID":
            others.append(value)
    placed.update(enumerate(others[:_MANY], start=_FIRST_FREE))
    return tuple(placed.get(number, "") for number in range(1, max(placed, default=0) + 1))


def attributes(told: Mapping[str, str], sender: str) -> dict[int, str]:
    """What a message can be found by: the client always, advertisement and package if it names them."""
    found = {
        ADVERTISEMENT: told.get("AdvertisementId", ""),
        # The SDK's PackageName is the package's id in advertisement events; others name both.
        PACKAGE: told.get("PackageId") or told.get("PackageName", ""),
        CLIENT_ID: sender,
    }
    return {number: value for number, value in found.items() if value}
