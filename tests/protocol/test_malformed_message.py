"""Messages that are refused, whole and with the reason: malformed, too large, damaged or signed wrongly."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import replace

import pytest

from emulator.errors import BadSignature, MalformedMessage, MessageTooLarge
from emulator.protocol import message as message_module
from emulator.protocol.framing import CONTENT_TYPE, encode_multipart
from emulator.protocol.message import (
    decode_message,
    decode_reply,
    encode_message,
    encode_reply,
    inflate,
    verify_message,
)
from emulator.protocol.message_header import MAX_ATTACHMENTS
from emulator.protocol.signing import Signer
from tests.protocol.messages import BODY, LIMIT, MESSAGE, ZLIB, declared, framed, msg, utf16


@pytest.mark.proves("framing.malformed")
@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ("", b""),
        ("<Other/>", b""),
        ("<Msg/>", b""),
        ("<Msg><TargetEndpoint> </TargetEndpoint></Msg>", b""),
        ("<!DOCTYPE Msg>" + msg(), b""),
        (msg("&x;"), b""),
        ("<a>" * 5000, b""),
        (msg(declared(-1)), utf16(BODY)),
        (msg(declared(2, -2)), utf16(BODY)),
        (msg(declared(2, 10_000)), utf16(BODY)),
        (msg('<Body Length="x"/>'), utf16(BODY)),
        (msg('<Body Offset="9999999999999999999999"/>'), utf16(BODY)),
        (msg(f'<Body Length="{"9" * 5000}"/>'), utf16(BODY)),
        (msg('<Attachment Offset="-1"/>'), utf16(BODY)),
        (msg('<Attachment Offset="5"/>' * (MAX_ATTACHMENTS + 1)), utf16(BODY)),
        (msg(), b"\x00\xd8a\x00"),
        (msg(declared(2)), utf16("\U0001f5a5")),
        (msg(ZLIB), b""),
        (msg(ZLIB), b"not zlib"),
        (msg(ZLIB), utf16(BODY)),
        (msg(ZLIB), zlib.compress(utf16(BODY))[:-1]),
        (msg(ZLIB), zlib.compress(utf16(BODY))[:-4] + b"\0\0\0\0"),
    ],
)
def test_malformed(header: str, payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        framed(header, payload)


def test_a_header_that_is_no_utf16() -> None:
    body = encode_multipart("?", b"").replace(b"\xff\xfe?\0", b"\xff\xfe\x00\xd8")
    with pytest.raises(MalformedMessage):
        decode_message(CONTENT_TYPE, body, LIMIT)


@pytest.mark.proves("framing.limits")
def test_size_limits() -> None:
    bomb = zlib.compress(b"\0" * 50_000_000)
    with pytest.raises(MessageTooLarge):
        framed(msg(ZLIB), bomb)
    with pytest.raises(MessageTooLarge):
        framed(msg(), b"a" * (LIMIT + 1))
    assert inflate(zlib.compress(b"a" * 5), 5) == b"aaaaa"
    with pytest.raises(MessageTooLarge):
        inflate(zlib.compress(b"a" * 6), 5)


@pytest.mark.proves("framing.malformed")
def test_damaged_messages(example, signer: Signer, damaged) -> None:
    for body in damaged(example.request, 300) + damaged(encode_message(MESSAGE, signer), 100):
        with contextlib.suppress(MalformedMessage, BadSignature):
            verify_message(decode_message(CONTENT_TYPE, body, LIMIT), example.certificate)


def test_damaged_replies(damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    good = encode_reply(MESSAGE, "<ReplyAssignments/>", reply_id="", sent_time="", source_host="MP1")
    for body in damaged(good, 200):
        with contextlib.suppress(MalformedMessage):
            decode_reply(CONTENT_TYPE, body)
    monkeypatch.setattr(message_module, "MAX_REPLY", 10)
    with pytest.raises(MessageTooLarge):
        decode_reply(CONTENT_TYPE, good)


def test_a_reply_that_is_a_web_page() -> None:
    with pytest.raises(MalformedMessage):
        decode_reply("text/html", b"<html><body>Service Unavailable</body></html>")


@pytest.mark.parametrize(
    "change",
    [
        {"body_text": "\ud800"},
        {"body_text": "a\0b"},
        {"source_host": "\ud800"},
        {"source_id": "\0"},
        {"reply_compression": "\0"},
        {"target_endpoint": "\x01"},
    ],
)
def test_messages_that_cannot_be_written(change: dict[str, str], signer: Signer) -> None:
    with pytest.raises(MalformedMessage):
        encode_message(replace(MESSAGE, **change), signer)


def test_signatures_that_do_not_fit(signer: Signer, example) -> None:
    message = decode_message(CONTENT_TYPE, encode_message(MESSAGE, signer), LIMIT)
    auth = message.auth
    assert auth is not None
    other = "GUID:00000000-0000-4000-8000-000000000000"
    for wrong in (
        replace(message, auth=None),
        replace(message, raw_payload=message.raw_payload + b"\0"),
        replace(message, source_id=other),
        replace(message, auth=replace(auth, payload_signature="")),
        replace(message, auth=replace(auth, client_id_signature=auth.payload_signature)),
        replace(message, auth=replace(auth, client_id_signature=signer.sign(utf16(other + "\0")))),
        replace(message, auth=replace(auth, payload_signature="xyz")),
        replace(message, auth=replace(auth, hash_algorithm="1.2.840.113549.1.1.5")),
    ):
        with pytest.raises(BadSignature):
            verify_message(wrong, signer.certificate)
    for source_id in ("", "nobody"):
        with pytest.raises(MalformedMessage):
            verify_message(replace(message, source_id=source_id), signer.certificate)
