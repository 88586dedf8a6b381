from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.framing import CONTENT_TYPE, decode_multipart, encode_multipart
from emulator.protocol.message import (
    ClientAuth,
    decode_message,
    decode_reply,
    encode_message,
    encode_reply,
    inflate,
    verify_message,
)
from emulator.protocol.message_header import Attachment
from emulator.protocol.policy import ReplyAssignments, RequestAssignments
from emulator.protocol.signing import ANY_ALGORITHM, Signer
from emulator.protocol.xml import decode_utf16, parse_xml
from tests.protocol.messages import BODY, LIMIT, MESSAGE, SMSID, ZLIB, declared, framed, msg, utf16

# --- the worked example --------------------------------------------------------------


@pytest.mark.proves("framing.request")
def test_the_requests_bytes(example) -> None:
    assert len(example.request) == 5706
    digest = "f1ad604e3f03edc0f1cf020ef50e6e53944f8e252e9343c28f41699c09e3d691"
    assert hashlib.sha256(example.request).hexdigest() == digest


@pytest.mark.proves("framing.compressed")
def test_the_payloads_bytes(example) -> None:
    plain = inflate(example.compressed_payload, LIMIT)
    assert plain == utf16(example.policy_request + "\0") + b"\r\n"
    digest = "4a0269c88085ddc180983a23b908e7fd6c02abfe1e620c166ac3373c3eb654df"
    assert hashlib.sha256(plain).hexdigest() == digest


@pytest.mark.proves("framing.request", "header.request")
def test_the_request_is_understood(example) -> None:
    message = decode_message(example.content_type, example.request, LIMIT)
    auth = ClientAuth("pc1", example.public_key_blob, example.client_id_signature, example.payload_signature)
    assert message == replace(
        MESSAGE, body_text=example.policy_request, auth=auth, raw_payload=example.compressed_payload
    )
    assert RequestAssignments.from_xml(message.body_text).client_id == SMSID


def test_the_requests_signatures(example) -> None:
    verify_message(decode_message(example.content_type, example.request, LIMIT), example.certificate)


def test_our_header_has_the_same_elements(example, signer: Signer) -> None:
    body = encode_message(replace(MESSAGE, body_text=example.policy_request), signer)
    ours = parse_xml(decode_utf16(decode_multipart(CONTENT_TYPE, body).header))
    theirs = parse_xml(example.request_header)
    for root in (ours, theirs):
        for signed in root.iterfind("Hooks/Hook2/Property"):
            if signed.get("Name") in ("PublicKey", "ClientIDSignature", "PayloadSignature"):
                signed.text = str(len(signed.text or ""))
    assert sorted(etree.tostring(e, method="c14n") for e in ours) == sorted(
        etree.tostring(e, method="c14n") for e in theirs
    )
    assert dict(ours.attrib) == dict(theirs.attrib)


def test_the_reply_is_understood(example) -> None:
    plain = utf16(example.policy_reply + "\0")
    assert len(plain) == 1858
    digest = "d8ed8393e4a042b9429ef3604e56cbdd000208f85b8a713b0fa950296c2774a4"
    assert hashlib.sha256(plain).hexdigest() == digest
    text = decode_reply(example.content_type, encode_multipart(example.reply_header, zlib.compress(plain)))
    assert text == example.policy_reply
    assert ReplyAssignments.from_xml(text).client_id == SMSID


@pytest.mark.proves("framing.reply", "header.reply")
def test_our_replys_bytes(example) -> None:
    body = encode_reply(
        MESSAGE,
        example.policy_reply,
        reply_id="{B1B2C3D4-0001-4000-8000-000000000002}",
        sent_time="2026-06-01T08:00:00Z",
        source_host="MP1",
    )
    head = b"--aAbBcCdDv1234567890VxXyYzZ\r\nContent-Type: text/plain; charset=UTF-16\r\n\r\n"
    between = b"\r\n--aAbBcCdDv1234567890VxXyYzZ\r\nContent-Type: application/octet-stream\r\n\r\n"
    end = b"\r\n--aAbBcCdDv1234567890VxXyYzZ--\r\n"
    header = b"\xff\xfe" + utf16(example.reply_header)
    assert (len(head), len(header)) == (74, 1170)
    assert body.startswith(head + header + between)
    assert body.endswith(end)
    assert body[1318 : -len(end)] == zlib.compress(utf16(example.policy_reply + "\0"))
    assert b"<?xml" not in body
    assert utf16("<?xml") not in body


@pytest.mark.proves("header.reply_to")
def test_a_reply_goes_where_the_request_says() -> None:
    asked = framed(msg("<ReplyTo>direct:OSD</ReplyTo><SourceHost>pc1</SourceHost>"), utf16("<a/>"))
    reply = encode_reply(asked, "<a/>", reply_id="", sent_time="", source_host="MP1")
    header = parse_xml(decode_utf16(decode_multipart(CONTENT_TYPE, reply).header))
    assert header.findtext("TargetAddress") == "direct:OSD"
    assert header.findtext("TargetEndpoint") == "OSD"


@pytest.mark.proves("header.reply")
def test_our_reply_is_the_examples(example) -> None:
    body = encode_reply(
        MESSAGE,
        example.policy_reply,
        reply_id="{B1B2C3D4-0001-4000-8000-000000000002}",
        sent_time="2026-06-01T08:00:00Z",
        source_host="MP1",
    )
    parts = decode_multipart(CONTENT_TYPE, body)
    assert zlib.decompress(parts.payload) == utf16(example.policy_reply + "\0")
    header = decode_utf16(parts.header)
    assert etree.canonicalize(header) == etree.canonicalize(example.reply_header)


# --- round trips ---------------------------------------------------------------------


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff"), max_size=60
)
ATTACHMENTS = st.lists(
    st.builds(Attachment, st.from_regex(r"[0-9a-f{}-]{1,38}", fullmatch=True), st.binary(max_size=40)),
    max_size=3,
).map(tuple)


@pytest.mark.proves("header.attachments", "framing.compressed", "framing.uncompressed")
@given(TEXT, st.booleans(), ATTACHMENTS, st.sampled_from(["", "SMX"]), st.sampled_from(["", "direct:OSD"]))
@settings(max_examples=40, deadline=None, database=None)
def test_round_trip(
    text: str, compressed: bool, attachments: tuple[Attachment, ...], file_type: str, reply_to: str
) -> None:
    message = replace(
        MESSAGE,
        body_text=text,
        compressed=compressed,
        attachments=attachments,
        file_type=file_type,
        reply_to=reply_to,
    )
    decoded = decode_message(CONTENT_TYPE, encode_message(message), LIMIT)
    assert decoded == replace(message, raw_payload=decoded.raw_payload)
    reply = encode_reply(decoded, text, reply_id="{1}", sent_time="", source_host="MP1")
    assert decode_reply(CONTENT_TYPE, reply) == text


@pytest.mark.proves("framing.reply_compression", "framing.one_nul")
@pytest.mark.parametrize(
    ("asked", "compressed"), [(None, True), ("zlib", True), ("none", False), ("None", False)]
)
def test_reply_compression(asked: str | None, compressed: bool) -> None:
    body = encode_reply(
        replace(MESSAGE, reply_compression=asked), "<a/>", reply_id="", sent_time="", source_host=""
    )
    payload = decode_multipart(CONTENT_TYPE, body).payload
    # exactly one NUL: public clients cut the last character, whatever it is
    assert (zlib.decompress(payload) if compressed else payload) == utf16("<a/>\0")
    assert decode_reply(CONTENT_TYPE, body) == "<a/>"


def test_signed_round_trip(signer: Signer, example) -> None:
    message = decode_message(CONTENT_TYPE, encode_message(MESSAGE, signer), LIMIT)
    verify_message(message, signer.certificate)
    with pytest.raises(BadSignature):
        verify_message(message, example.certificate)


# --- what differs from client to client ----------------------------------------------


@pytest.mark.proves("framing.lengths", "framing.uncompressed", "framing.zlib_levels", "framing.bom")
@pytest.mark.parametrize(
    ("header", "payload"),
    [
        # the usual two bytes that are not counted
        (msg(declared(44) + ZLIB), zlib.compress(utf16(BODY + "\0") + b"\r\n")),
        # mprecon, compressed
        (msg(declared(44) + ZLIB), zlib.compress(utf16(BODY + "\0"))),
        # mprecon, uncompressed: one more NUL character; white space before the header
        (
            f'\r\n  <Msg SchemaVersion="1.1">{declared(44)}<Hooks/>'
            "<TargetEndpoint>MP_PolicyManager</TargetEndpoint></Msg>",
            utf16(BODY + "\0") + b"\0\0",
        ),
        # PXE: an odd total and a constant length
        (msg(declared(728) + "<Hooks></Hooks><ID/>"), utf16(BODY + "\r\n") + b"\0\0\0"),
        (msg(declared(42)), utf16(BODY + "\r\n") + b"\0\0\0"),
        # SharpSCCM: a buffer larger than its text
        (msg(declared(9999)), utf16(BODY) + b"\0" * 600),
        # no Body, or an empty one; a byte order mark
        (msg(), b"\xff\xfe" + utf16(BODY)),
        (msg("<Body/>"), utf16(BODY)),
        # any level of zlib, the hook's name in any case, before another hook
        (msg('<Hooks><Hook3 Name="ZLIB-Compress"/><Hook2 Name="x"/></Hooks>'), zlib.compress(utf16(BODY), 0)),
        (msg(ZLIB), zlib.compress(utf16(BODY), 9)),
        # an XML declaration in the header
        ('<?xml version="1.0" encoding="UTF-16"?>' + msg(), utf16(BODY)),
        # bytes after the end of the stream
        (msg(ZLIB), zlib.compress(utf16(BODY)) + b"\r\n"),
        # the body somewhere in the middle
        (msg(declared(42, 6)), utf16("xyz" + BODY + "z")),
    ],
)
def test_tolerated(header: str, payload: bytes) -> None:
    message = framed(header, payload)
    assert message.body_text.rstrip("\r\n") == BODY
    assert message.raw_payload == payload
    assert message.auth is None


@pytest.mark.proves("framing.reply_compression", "header.empty_id")
def test_absent_elements_and_reply_compression() -> None:
    message = framed(msg("<ID/><SourceID></SourceID>"), utf16(BODY))
    assert (message.message_id, message.source_id, message.reply_mode) == ("", "", "Sync")
    assert message.reply_compression is None
    assert framed(msg("", ' REPLYCOMPRESSION="zlib"'), b"").reply_compression == "zlib"


@pytest.mark.proves("header.client_capability")
def test_the_capability_property_in_either_spelling() -> None:
    for name in ("ClientCapabilities", "ClientCapability"):
        hook = (
            f'<Hooks><Hook2 Name="clientauth"><Property Name="AuthSenderMachine">pc1</Property>'
            f'<Property Name="{name}">NonSSL</Property></Hook2></Hooks>'
        )
        assert framed(msg(hook), b"").auth == ClientAuth("pc1", "", "", "", ANY_ALGORITHM)


@pytest.mark.proves("header.attachments")
def test_discovery_with_attachments() -> None:
    # hunter: two reports, each with its tail; the second attachment is the body too.
    first, second = (utf16(text) + b"\0\0\r\n" for text in ("<Report>1</Report>", "<Report>2</Report>"))
    header = msg(
        f'<Attachment Type="ByteRange" Length="{len(first) - 4}" Name="403838f7" Offset="0"/>'
        f'<Attachment Length="{len(second) - 4}" Offset="{len(first)}"/>'
        + declared(len(second) - 2, len(first))
        + ZLIB
    )
    message = framed(header, zlib.compress(first + second))
    assert [a.text for a in message.attachments] == ["<Report>1</Report>", "<Report>2</Report>"]
    assert message.attachments[0].name == "403838f7"
    assert message.body_text == "<Report>2</Report>"


def test_identity_signed_in_other_spellings(signer: Signer) -> None:
    message = decode_message(CONTENT_TYPE, encode_message(MESSAGE, signer), LIMIT)
    assert message.auth is not None
    bare = SMSID.removeprefix("GUID:")
    for source_id, text in (
        (SMSID, f"GUID:{{{bare}}}\0"),  # Metasploit
        (SMSID, SMSID),  # no NUL
        (SMSID.lower(), SMSID + "\0"),
        (bare, bare + "\0"),
        (f"{{{bare}}}", SMSID + "\0"),
    ):
        auth = replace(message.auth, client_id_signature=signer.sign(utf16(text)).lower())
        verify_message(replace(message, source_id=source_id, auth=auth), signer.certificate)


@pytest.mark.proves("header.order_and_case")
def test_elements_by_name_in_any_order_and_case() -> None:
    header = (
        "<Msg><timeout>60</timeout><TARGETENDPOINT>MP_X</TARGETENDPOINT><Unknown/><sourceid>GUID:1</sourceid>"
        '<hooks><hook3 name="zlib-compress"/><HOOK2 NAME="ClientAuth"><property NAME="hashalgorithm">1.2'
        '</property><Property Name="PAYLOADSIGNATURE">AB</Property></HOOK2></hooks>'
        '<body length="42" offset="0" type="ByteRange"/><id>{1}</id></Msg>'
    )
    message = framed(header, zlib.compress(utf16(BODY)))
    assert (message.target_endpoint, message.source_id, message.message_id) == ("MP_X", "GUID:1", "{1}")
    assert message.body_text == BODY
    assert message.auth is not None
    assert (message.auth.hash_algorithm, message.auth.payload_signature) == ("1.2", "AB")


@pytest.mark.proves("header.empty_attributes")
def test_empty_numbers_are_absent_ones() -> None:
    assert framed(msg('<Body Type="ByteRange" Length="" Offset=""/>'), utf16(BODY)).body_text == BODY


@pytest.mark.proves("header.file_type")
@pytest.mark.parametrize(
    "where",
    [
        '<Properties><Property Name="FileType">SMX</Property></Properties>',
        '<Property Name="filetype" Value="SMX"/>',
    ],
)
def test_the_property_of_a_relayed_message(where: str) -> None:
    assert framed(msg(where), b"").file_type == "SMX"
    assert framed(msg(), b"").file_type == ""


@pytest.mark.proves("header.attachments")
def test_texts_of_attachments() -> None:
    for data in (
        utf16("<a>\u00e9</a>\0") + b"\r\n",
        b"\xff\xfe" + utf16("<a>\u00e9</a>"),
        "<a>\u00e9</a>".encode(),
        b"\xef\xbb\xbf" + "<a>\u00e9</a>".encode(),
    ):
        assert Attachment("x", data).text == "<a>\u00e9</a>"
    with pytest.raises(MalformedMessage):
        Attachment("x", b"<a>\xff").text  # noqa: B018 - reading it is the test
