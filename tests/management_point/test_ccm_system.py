"""The door of the management point, with raw sockets where aiohttp's client is too polite."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest

from emulator.protocol.framing import CONTENT_TYPE, decode_multipart, encode_multipart
from emulator.protocol.message import encode_message
from tests.management_point.test_report_endpoints import hardware


async def raw(lab: Any, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    writer.write(request)
    reply = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return reply


def head(
    length: int | None, *more: str, target: str = "/ccm_system/request", verb: str = "CCM_POST"
) -> bytes:
    lines = [
        f"{verb} {target} HTTP/1.1",
        "Host: mp1",
        f"Content-Type: {CONTENT_TYPE}",
        "Connection: close",
        *more,
    ]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.proves(
    "http.absolute_form", "http.path_case", "http.expect_continue", "http.user_agent", "framing.reply"
)
@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("/ccm_system/request", ()),
        ("HTTP://mp1.lab.test:8080/CCM_SYSTEM/request", ()),
        ("http://mp1/%63cm_system/request", ("User-Agent: python-requests/2.32",)),
        ("/ccm_system/request/", ("User-Agent:",)),
        ("/CCM_System/Request", ()),
        ("http://mp1/ccm_system/request", ()),
        ("/ccm_system/request", ("Expect: 100-continue",)),
        ("/ccm_system/request", ("User-Agent: ConfigMgr Messaging HTTP Sender",)),
    ],
)
async def test_ccm_post(lab: Any, client: Any, target: str, more: tuple[str, ...]) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    reply = await raw(lab, head(len(body), *more, target=target) + body)
    assert b"HTTP/1.1 200 OK" in reply
    # What the public clients look at, byte by byte (wire.md 2.3).
    assert b'Content-Type: multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"\r\n' in reply
    payload = reply.split(b"Content-Type: application/octet-stream\r\n\r\n")[1].rpartition(b"\r\n--")[0]
    text = zlib.decompress(payload)
    assert text.endswith(">\0\0\0".encode("latin-1"))
    assert text.decode("utf-16-le").startswith("<ReplyAssignments")


@pytest.mark.proves("http.chunked")
async def test_chunked(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:]))
    reply = await raw(lab, head(None, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.proves("http.chunked")
async def test_chunked_by_the_byte(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    chunks = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in body)
    reply = await raw(lab, head(None, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.proves("http.expect_continue")
async def test_a_client_that_waits_for_leave_to_send(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    reader, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    writer.write(head(len(body), "Expect: 100-continue"))
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    reply = await asyncio.wait_for(reader.read(), 10)
    assert reply.startswith(b"HTTP/1.1 200 OK")
    writer.close()
    await writer.wait_closed()


@pytest.mark.proves("http.absolute_form", "http.query_case", "http.path_case")
@pytest.mark.parametrize(
    "target",
    [
        "http://mp1/SMS_MP/.sms_aut?MPLIST",
        "http://MP1.lab.test/sms_mp/.SMS_AUT?mplist",
        "/SMS_MP/.sms_aut?mpList",
        "/sms_mp/%2Esms_aut?MPLIST",
    ],
)
async def test_lists_by_any_spelling_of_their_address(lab: Any, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: mp1\r\nConnection: close\r\n\r\n"
    reply = await raw(lab, request.encode())
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert b"<MPList><MP Name=" in reply


@pytest.mark.proves("http.connection_close")
@pytest.mark.parametrize(
    ("request_head", "body"),
    [
        (head(0), b""),  # the client asked for it
        (head(100_001).replace(b"Connection: close\r\n", b""), b"x" * 100_001),  # not read to the end
        (b"GET /SMS_MP/.sms_aut?MPLIST HTTP/1.1\r\nHost: mp1\r\nConnection: close\r\n\r\n", b""),
        (b"NO VERB / HTTP/1.1\r\n\r\n", b""),  # no HTTP: nobody knows where the next request begins
    ],
    ids=["asked for", "too large", "GET", "no HTTP"],
)
async def test_a_connection_that_will_be_closed_is_announced_so(
    lab: Any, request_head: bytes, body: bytes
) -> None:
    reply = await raw(lab, request_head + body)  # reads until the server has closed
    answered = reply.partition(b"\r\n\r\n")[0] + b"\r\n"
    # A reply of HTTP/1.0 that promises nothing else says the same.
    assert answered.startswith(b"HTTP/1.0 ") or b"\r\nConnection: close\r\n" in answered


@pytest.mark.proves("http.connection_close")
async def test_a_connection_that_stays_is_not_announced_closed(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    reply = await raw(lab, head(len(body)).replace(b"Connection: close\r\n", b"") + body + head(0))
    first, second = reply.split(b"HTTP/1.1 ")[1:]
    assert b"Connection: close" not in first.partition(b"\r\n\r\n")[0]
    assert b"Connection: close" in second.partition(b"\r\n\r\n")[0]


@pytest.mark.proves("lies.cut_short", "framing.cut_short")
@pytest.mark.parametrize("how", ["closed", "half closed", "chunked, closed", "chunked, bad size"])
async def test_a_report_cut_short_is_not_stored(lab: Any, client: Any, how: str) -> None:
    await lab.inboxes.stop()
    body = encode_message(client.message("MP_HinvEndpoint", hardware(client.smsid)), client.signer)
    reader, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    if "chunked" in how:
        # All of the message, but no last chunk: nobody said that it was all.
        writer.write(head(None, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(body), body))
        writer.write(b"zz\r\n" if "bad" in how else b"")
    else:
        writer.write(head(len(body) + 1) + body)
    await writer.drain()
    if how == "half closed":
        writer.write_eof()
    elif "closed" in how:
        writer.close()
    reply = b"" if writer.is_closing() else await asyncio.wait_for(reader.read(), 10)
    assert b"HTTP/1.1 200" not in reply
    writer.close()
    await writer.wait_closed()
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200  # it keeps serving
    assert lab.nothing_held()


@pytest.mark.proves("lies.cut_short")
async def test_a_message_whose_length_tells_less_is_cut(lab: Any, client: Any) -> None:
    await lab.inboxes.stop()
    body = encode_message(client.message("MP_HinvEndpoint", hardware(client.smsid)), client.signer)
    reply = await raw(lab, head(len(body) - 10) + body)
    assert b" 400 " in reply.splitlines()[0]
    assert lab.nothing_held()


async def test_one_connection_many_messages(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    keep = head(len(body)).replace(b"Connection: close\r\n", b"")
    reply = await raw(lab, keep + body + keep + body + head(len(body)) + body)
    assert reply.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\0" * 1000, 400),
        (b"--aAbBcCdDv1234567890VxXyYzZ--", 400),
        (encode_multipart("<Msg/>", b""), 400),
        (encode_multipart("no XML", b""), 400),
        (encode_multipart("<Msg><TargetEndpoint>MP_PolicyManager</TargetEndpoint></Msg>", b"")[:-30], 400),
        (b"x" * 100_001, 413),
    ],
    ids=["empty", "zeros", "no parts", "bare header", "text", "cut short", "too large"],
)
async def test_what_is_no_message(lab: Any, body: bytes, status: int) -> None:
    reply = await raw(lab, head(len(body)) + body)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200  # it keeps serving


async def test_another_content_type(lab: Any, client: Any) -> None:
    body = encode_message(client.message("MP_PolicyManager", client.request().to_xml()), client.signer)
    assert (await lab.send(body, "application/json")).status == 400
    assert (await lab.send(body, "multipart/mixed")).status == 400


async def test_a_client_that_breaks_off_is_forgotten(lab: Any) -> None:
    _, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    writer.write(head(5000) + b"half")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200
    assert lab.nothing_held()


@pytest.mark.parametrize(
    ("verb", "target", "status"),
    [
        ("GET", "/ccm_system/request", 405),
        ("POST", "/ccm_system/request", 405),
        ("CCM_POST", "/SMS_MP/.sms_aut?MPLIST", 405),
        ("GET", "/", 404),
        ("GET", "/SMS_MP/.sms_none", 404),
        ("GET", "/SMS_MP/../ccm_system/request", 404),
        ("NO VERB", "/", 400),
    ],
)
async def test_verbs_and_paths(lab: Any, verb: str, target: str, status: int) -> None:
    reply = await raw(lab, head(0, target=target, verb=verb))
    assert f" {status} ".encode() in reply.splitlines()[0]


async def test_reply_names_the_request(lab: Any, client: Any) -> None:
    reply = await client.post("MP_PolicyManager", client.request().to_xml(), message_id="{the request}")
    assert "<CorrelationID>{the request}</CorrelationID>".encode("utf-16-le") in reply.body


@pytest.mark.proves("framing.reply_compression", "framing.never_empty")
@pytest.mark.parametrize(("compression", "compressed"), [("zlib", True), ("none", False), (None, True)])
@pytest.mark.parametrize("endpoint", ["MP_PolicyManager", "MP_HinvEndpoint", "MP_LocationManager"])
async def test_every_reply_has_a_body(
    lab: Any, client: Any, endpoint: str, compression: str | None, compressed: bool
) -> None:
    body = {
        "MP_PolicyManager": client.request().to_xml(),
        "MP_HinvEndpoint": hardware(client.smsid),
        "MP_LocationManager": "<UpdateSFRequest/>",
    }[endpoint]
    for mode in ("Sync", "ASync"):
        reply = await client.post(endpoint, body, reply_compression=compression, reply_mode=mode)
        assert reply.status == 200
        payload = decode_multipart(CONTENT_TYPE, reply.body).payload
        text = zlib.decompress(payload) if compressed else payload
        assert text.endswith(b">\0\0\0")
        assert not text.endswith(b"\0\0\0\0\0")
        assert text.decode("utf-16-le").startswith("<")
        assert not text.decode("utf-16-le").startswith("<?xml")
