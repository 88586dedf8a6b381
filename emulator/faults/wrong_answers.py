"""Requests that are answered in the target's place: the target never has them."""

from __future__ import annotations

import json
from abc import abstractmethod
from http import HTTPStatus

from pydantic import Field, field_validator

from emulator.errors import ConfigMgrError
from emulator.faults.exchange import BITS_POST, Exchange
from emulator.faults.wire_fault import ENDPOINTS, AtWork, Direction, WireFault
from emulator.protocol.bits_upload import ErrorCode, ErrorContext, error_headers
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, encode_reply
from emulator.protocol.registration import ClientRegistrationResponse

REJECTED = 3  # a registration's status
NO_ID = "{00000000-0000-0000-0000-000000000000}"
_FORBIDDEN = b"<HTML><HEAD><TITLE>Forbidden</TITLE></HEAD><BODY>403 - Forbidden</BODY></HTML>\n"


class WrongAnswer(WireFault):
    """A fault that answers; it has nothing to do on the way of what others say."""

    http_only = True

    def acts_on(self, direction: Direction) -> bool:
        return False

    @abstractmethod
    def answer(self, at: AtWork) -> bytes | None: ...


class HttpError(WrongAnswer):
    """The request is answered with an HTTP error status and does not reach its target."""

    kind = "http_error"
    status: int = Field(default=503, ge=400, le=599, description="the HTTP status")

    @field_validator("status")
    @classmethod
    def _known(cls, status: int) -> int:
        if status not in {known.value for known in HTTPStatus}:
            errors = (str(known.value) for known in HTTPStatus if known >= 400)
            raise ValueError(f"no HTTP error has this number; valid: {', '.join(errors)}")
        return status

    def answer(self, at: AtWork) -> bytes | None:
        return reply(
            self.status, f"{HTTPStatus(self.status).phrase}\n".encode(), {"Content-Type": "text/plain"}
        )


class ProtocolError(WrongAnswer):
    """The request is answered with an error in the words of its own protocol, and does not reach its target.

    A registration is rejected (``Status="3"``); any other message gets the empty 200 that means "not ready,
    send it again"; a policy body is refused with a page that begins ``<HTML>``; a BITS packet with
    BITS' own error headers; AdminService with an OData error.
    """

    kind = "protocol_error"
    touches = (*ENDPOINTS, ".sms_pol", "CCM_Incoming", "AdminService")

    def applies(self, exchange: Exchange) -> bool:
        request = exchange.request
        if request is None:
            return False
        return (
            request.has_message
            or request.verb == BITS_POST
            or exchange.endpoint in (".sms_pol", "AdminService")
        )

    def answer(self, at: AtWork) -> bytes | None:
        exchange = at.exchange
        if exchange.endpoint == ".sms_pol":
            return reply(403, _FORBIDDEN, {"Content-Type": "text/html"})
        if exchange.endpoint == "AdminService":
            error = {"code": "", "message": "The SMS Provider reported an error."}
            body = json.dumps({"error": error}).encode()
            return reply(500, body, {"Content-Type": "application/json; charset=utf-8"})
        if exchange.request and exchange.request.verb == BITS_POST:
            return reply(500, b"", dict(error_headers(ErrorCode.FAILED, ErrorContext.REMOTE_APPLICATION)))
        message = exchange.message
        if message and message.target_endpoint.casefold() == "mp_clientregistration":
            return _rejection(message)
        return reply(200, b"", {})


def _rejection(message: Message) -> bytes:
    text = ClientRegistrationResponse(
        status=REJECTED, smsid="", timestamp=message.sent_time, approval_status=-1
    ).to_xml()
    try:
        body = encode_reply(
            message, text, reply_id=NO_ID, sent_time=message.sent_time, source_host=message.target_host
        )
    except ConfigMgrError:  # the request holds what no reply may repeat
        return reply(200, b"", {})
    return reply(200, body, {"Content-Type": CONTENT_TYPE})


def reply(status: int, body: bytes, headers: dict[str, str]) -> bytes:
    """An HTTP reply, whole."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body
