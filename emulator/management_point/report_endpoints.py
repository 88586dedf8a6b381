"""The endpoints that take reports: MP_Hinv, MP_Sinv, MP_SinvCollFile, MP_Ddr, MP_Status, MP_Relay.

The management point may not write to the database: it keeps a report in an outbox and only then
answers. Answered means on disk. Whether a report makes sense next to earlier ones (its version,
its resource) is for the site server's loaders; here it has to be whole, and its sender's.
"""

from __future__ import annotations

import errno
from dataclasses import replace

from aiohttp import web

from emulator.clock import Clock
from emulator.errors import BadSignature
from emulator.logs import get_logger
from emulator.management_point.client_keys import ClientAuthentication
from emulator.management_point.outboxes import OUTBOX, Outboxes
from emulator.message_journal import tell
from emulator.protocol.file_collection import with_contents
from emulator.protocol.message import Message
from emulator.protocol.metering import MeteringReport
from emulator.protocol.names import normalize_smsid
from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportFile, ReportKind, kind_of
from emulator.protocol.report_message import other_attachments, reports_in
from emulator.protocol.state import StateReport
from emulator.protocol.status import StatusMessage

STATUS_RECEIVER = "StatusReceiver"

# Target endpoint -> the component's own log.
REPORT_ENDPOINTS: dict[str, str] = {
    "MP_HinvEndpoint": "MP_HinvManager",
    "MP_SinvEndpoint": "MP_SinvManager",
    "MP_SinvCollFileEndpoint": "MP_SinvCollFile",
    "MP_DdrEndpoint": "MP_DdrManager",
    STATUS_RECEIVER: "MP_Status",
    "MP_RelayEndpoint": "MP_Relay",
}

# What each kind of report has to be; reading it finds what is not whole.
_FORMS: dict[ReportKind, type[Report | MeteringReport | StateReport | StatusMessage]] = {
    ReportKind.HARDWARE_INVENTORY: Report,
    ReportKind.SOFTWARE_INVENTORY: Report,
    ReportKind.DISCOVERY: Report,
    ReportKind.METERING: MeteringReport,
    ReportKind.STATUS: StatusMessage,
    ReportKind.STATE: StateReport,
    ReportKind.FILE_COLLECTION: Report,
    ReportKind.IDMIF: Report,
}

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

# A report has no documented reply; an empty body would make public clients send it again for ever.
ACCEPTED = '<Reply Status="0"/>'


class ReportEndpoint:
    """One of these endpoints."""

    def __init__(
        self, log_name: str, authentication: ClientAuthentication, outboxes: Outboxes, clock: Clock
    ) -> None:
        self.log = get_logger(log_name)
        self._authentication = authentication
        self._outboxes = outboxes
        self._clock = clock

    async def answer(self, message: Message) -> str:
        """Keep the report of a message.

        Raises:
            BadSignature: it is not signed by its sender.
            UnknownClient: its sender is not registered.
            MalformedMessage: it is no report this endpoint takes.
            HTTPInsufficientStorage: the outbox's disk is full.
            HTTPInternalServerError: the outbox cannot be written for another reason.
        """
        sender = await self._authentication.of_report(_with_sender(message))
        # All of a message's reports are looked at before the first is kept.
        files = [self._file(message, sender, payload) for payload in reports_in(message)]
        tell(kind=files[0].kind.value if files else None, smsid=sender)
        for file in files:
            await self._keep(file)
        return ACCEPTED

    def _file(self, message: Message, sender: str, payload: str) -> ReportFile:
        kind = kind_of(message.target_endpoint, payload, message.file_type)
        check(kind, payload, sender)
        if kind is ReportKind.FILE_COLLECTION:
            payload = with_contents(payload, other_attachments(message))
        return ReportFile(
            kind=kind,
            message_id=message.message_id,
            sender=sender,
            payload=payload,
            received=self._clock.now(),
        )

    async def _keep(self, file: ReportFile) -> None:
        try:
            await self._outboxes.put(file)
        except OSError as exc:
            self.log.error("outbox cannot be written", box=OUTBOX[file.kind], reason=str(exc))
            text = (
                f"the outbox {OUTBOX[file.kind]} cannot be written ({exc.strerror}); send the report again\n"
            )
            if exc.errno in _DISK_FULL:
                raise web.HTTPInsufficientStorage(text=text) from exc
            raise web.HTTPInternalServerError(text=text) from exc
        self.log.info(
            "report accepted",
            sender=file.sender,
            box=OUTBOX[file.kind],
            message_id=file.message_id,
            file=file.key,
        )


def _with_sender(message: Message) -> Message:
    """A message in whose header nobody is named, in the name of whom its status message is about.

    In mixed mode 2007 asks for no signature on status messages (Management Point Interface Security), and
    a library without an identity names none. A strict site refuses such a message for want of a signature;
    a lenient one takes it, and says that it is unproven.

    Raises:
        MalformedMessage: the status message is none, or its ClientID no identity.
    """
    if message.target_endpoint.casefold() != STATUS_RECEIVER.casefold() or message.source_id or message.auth:
        return message
    about = StatusMessage.from_xml(message.body_text).properties.get("ClientID", "")
    return replace(message, source_id=normalize_smsid(about)) if about else message


def check(kind: ReportKind, payload: str, sender: str) -> None:
    """See that a report is whole and its sender's own.

    Raises:
        MalformedMessage: it is not what this kind of report is.
        BadSignature: it reports in another client's name.
    """
    report = _FORMS[kind].from_xml(payload)
    if not isinstance(report, StatusMessage) and report.header.client_id != sender:
        raise BadSignature(f"{sender} reports in the name of {report.header.client_id}")
