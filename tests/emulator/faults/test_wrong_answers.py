"""Answers in the target's place: the target never has the request, and the connection can be used on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.errors import FaultRefused
from emulator.protocol.message import decode_reply
from emulator.protocol.registration import ClientRegistrationResponse
from tests.emulator.faults.relay import BODY, Relay, http_request
from tests.emulator.faults.test_exchange import message


def parted(reply: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return lines[0], dict(line.split(": ", 1) for line in lines[1:]), body


async def test_an_http_error_and_then_the_target_again(relay: Relay) -> None:
    await relay.set("http_error", status=503, first=1)
    reader, writer = await relay.connect()
    for _ in range(2):
        writer.write(http_request())
    assert await reader.readuntil(b"Service Unavailable\n") == (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 20\r\nContent-Type: text/plain\r\n\r\n"
        b"Service Unavailable\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(len(BODY)) == BODY  # the same connection
    assert len(relay.asked) == 1
    writer.close()


async def test_an_answer_waits_for_those_before_it(relay: Relay) -> None:
    await relay.set("http_error", endpoint=".sms_aut")
    reader, writer = await relay.connect()
    writer.write(http_request("/first") + http_request("/SMS_MP/.sms_aut?MPLIST") + http_request("/last"))
    for line in (b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable", b"HTTP/1.1 200 OK"):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(line)
        await reader.readexactly(20 if b"503" in line else len(BODY))
    writer.close()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("http_error", {}), ("hang", {"part": "request"}), ("reset", {"seconds": 1})],
    ids=str,
)
async def test_what_comes_when_the_target_has_the_request_has_nothing_to_do(
    relay: Relay, kind: str, settings: dict[str, Any]
) -> None:
    relay.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"
    reader, writer = await relay.connect()
    writer.write(http_request())
    await reader.readuntil(b"01234")
    late = await relay.set(kind, **settings)
    assert late.hits == 0
    writer.close()


async def test_who_wants_the_connection_closed_has_it_closed(relay: Relay) -> None:
    await relay.set("http_error", status=500)
    assert (await relay.ask()).startswith(b"HTTP/1.1 500 ")
    assert relay.asked == []


async def test_no_error_has_that_number(relay: Relay) -> None:
    with pytest.raises(FaultRefused, match="status: no HTTP error has this number; valid: 400, 401"):
        relay.plan("http_error", status=499)


async def test_a_message_is_not_ready(relay: Relay) -> None:
    await relay.set("protocol_error")
    line, headers, body = parted(await relay.ask(closing(message())))
    assert (line, headers["Content-Length"], body) == ("HTTP/1.1 200 OK", "0", b"")
    assert relay.asked == []


async def test_a_registration_is_rejected(relay: Relay) -> None:
    await relay.set("protocol_error")
    _, headers, body = parted(await relay.ask(closing(message("MP_ClientRegistration"))))
    told = ClientRegistrationResponse.from_xml(decode_reply(headers["Content-Type"], body))
    assert (told.status, told.smsid) == (3, "")


async def test_a_policy_body_is_refused_with_a_page(relay: Relay) -> None:
    await relay.set("protocol_error")
    line, _, body = parted(await relay.ask(http_request("/SMS_MP/.sms_pol?{A}.1", b"", "Connection: close")))
    assert line == "HTTP/1.1 403 Forbidden"
    assert body.startswith(b"<HTML>")


async def test_a_packet_of_an_upload_is_refused_as_bits_does(relay: Relay) -> None:
    await relay.set("protocol_error")
    request = http_request("/CCM_Incoming/%7B1%7D", b"x", "Connection: close", verb="BITS_POST")
    line, headers, _ = parted(await relay.ask(request))
    assert line.startswith("HTTP/1.1 500")
    assert (headers["BITS-Packet-Type"], headers["BITS-Error-Code"]) == ("Ack", "0x80004005")


async def test_an_administrator_reads_an_odata_error(relay: Relay) -> None:
    await relay.set("protocol_error")
    request = http_request("/AdminService/wmi/SMS_Site", b"", "Connection: close")
    _, _, body = parted(await relay.ask(request))
    assert json.loads(body)["error"]["message"]


async def test_what_has_no_such_errors_passes(relay: Relay) -> None:
    planned = await relay.set("protocol_error")
    assert (await relay.ask()).endswith(BODY)
    assert planned.hits == 0


def closing(request: bytes) -> bytes:
    head, mark, body = request.partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close" + mark + body
