"""The forms in which a report may come, sealed for the management point or not: none loses a word."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.protocol.envelope import ContentKey, Encryption, seal_bytes
from emulator.protocol.file_collection import collected_files
from emulator.protocol.framing import CONTENT_TYPE, decode_multipart, encode_multipart
from emulator.protocol.message import encode_message
from emulator.protocol.message_header import Attachment
from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportFile
from emulator.protocol.site_security import parse_mpcert
from emulator.protocol.xml import decode_utf16
from tests.management_point.reports import files, hardware, heartbeat, idmif, metering, state


def attached(text: str, number: int) -> Attachment:
    return Attachment(f"{{00000000-0000-0000-0000-00000000000{number}}}", text.encode("utf-16-le") + b"\0\0")


@pytest.mark.proves("reports.header_in_body")
async def test_the_header_as_the_body_and_the_report_as_an_attachment(closed: Any, client: Any) -> None:
    whole = hardware(client.smsid)
    head, _, body = whole.removeprefix("<Report>").removesuffix("</Report>").partition("</ReportHeader>")
    header = head + "</ReportHeader>"
    for sent, attachment in (
        (f"<Report>{header}<ReportBody/></Report>", whole),
        (header, body),
    ):
        reply = await client.post("MP_HinvEndpoint", sent, attachments=(attached(attachment, 1),))
        assert reply.status == 200, reply.body
    assert [kept(path) for path in closed.held("hinv.box")] == [whole, whole]


def kept(path: Path) -> str:
    return ReportFile.from_bytes(path.read_bytes()).payload


@pytest.mark.proves("reports.two_reports", "reports.async_is_answered", "reports.ddr")
async def test_a_ddr_as_a_public_client_sends_it(lab: Any, client: Any) -> None:
    """Two attachments, the second of which is the body too; constant ids, CIM times, no answer wanted."""
    full = heartbeat(client.smsid)
    empty = full[: full.index("<ReportBody>")] + "<ReportBody /></Report>"
    first, second = (text.encode("utf-16-le") + b"\0\0\r\n" for text in (empty, full))
    payload = zlib.compress(first + second)
    signed = encode_message(client.message("MP_DdrEndpoint", "x"), client.signer)
    text = decode_utf16(decode_multipart(CONTENT_TYPE, signed).header)
    identity = text[text.index('ClientIDSignature">') :].partition(">")[2].partition("<")[0]
    header = (
        '<Msg ReplyCompression="zlib" SchemaVersion="1.1">'
        f'<Attachment Type="ByteRange" Length="{len(first) - 4}" Name="403838f7-69bb-43d5-8362-28a5755b97b5"'
        f' Offset="0" /><Attachment Length="{len(second) - 4}" Offset="{len(first)}" />'
        f'<Body Type="ByteRange" Length="{len(second) - 2}" Offset="{len(first)}" />'
        "<CorrelationID>{00000000-0000-0000-0000-000000000000}</CorrelationID><Hooks>"
        '<Hook2 Name="clientauth"><Property Name="AuthSenderMachine">PC01</Property>'
        f'<Property Name="ClientIDSignature">{identity}</Property>'
        f'<Property Name="PayloadSignature">{client.signer.sign(payload)}</Property>'
        '<Property Name="ClientCapabilities">NonSSL</Property>'
        '<Property Name="HashAlgorithm">1.2.840.113549.1.1.11</Property></Hook2>'
        '<Hook3 Name="zlib-compress" />'
        '</Hooks><ID>{CA6A20DC-2440-44B1-A78F-E2FE792973BA}</ID><Payload Type="inline" />'
        "<Priority>0</Priority><Protocol>http</Protocol><ReplyMode>ASync</ReplyMode>"
        "<ReplyTo>direct:PC01:SccmMessaging</ReplyTo><SentTime>20261123012232.000000+000</SentTime>"
        f"<SourceID>{client.smsid}</SourceID><SourceHost>PC01</SourceHost>"
        "<TargetAddress>mp:MP_DdrEndpoint</TargetAddress><TargetEndpoint>MP_DdrEndpoint</TargetEndpoint>"
        "<TargetHost>mp1</TargetHost><Timeout>60000</Timeout></Msg>"
    )
    body = encode_multipart(header, payload)
    for _ in range(2):  # the id is a constant, so a repetition is the same report and no more
        reply = await lab.send(body)
        assert reply.status == 200, reply.body
        assert reply.text  # a multipart with something in it
    await lab.until(lambda: lab.inboxes.taken)
    await lab.until(lab.nothing_held)
    assert set(lab.inboxes.payloads()) == {full}


@pytest.mark.proves("reports.two_reports")
async def test_two_reports_in_one_message_are_both_kept_or_neither(closed: Any, client: Any) -> None:
    one, two = hardware(client.smsid, "one"), hardware(client.smsid, "two")
    reply = await client.post("MP_HinvEndpoint", one, attachments=(attached(two, 1),))
    assert reply.status == 200
    assert [kept(path) for path in closed.held("hinv.box")] == [one, two]
    forged = hardware("GUID:00000000-0000-4000-8000-000000000001")
    reply = await client.post("MP_HinvEndpoint", one + " ", attachments=(attached(forged, 1),))
    assert reply.status == 403
    assert len(closed.held("hinv.box")) == 2


@pytest.mark.proves("reports.file_collection")
async def test_collected_files_travel_with_their_report(closed: Any, client: Any) -> None:
    file = Attachment("one", b"\x00\xff the file")
    reply = await client.post("MP_SinvCollFileEndpoint", files(client.smsid), attachments=(file,))
    assert reply.status == 200, reply.body
    (path,) = closed.held("filecol.box")
    (found,) = collected_files(Report.from_xml(kept(path)))
    assert (found.name, found.content) == ("one", file.data)


@pytest.mark.proves("reports.relay.file_type")
@pytest.mark.parametrize(
    ("make", "file_type", "status"),
    [("state", "SMX", 200), ("metering", "SWM", 200), ("idmif", "IDMIF", 200), ("state", "SWM", 400)],
)
async def test_the_relay_is_told_the_file_type(
    closed: Any, client: Any, make: str, file_type: str, status: int
) -> None:
    text = {"state": state, "metering": metering, "idmif": idmif}[make](client.smsid)
    assert (await client.post("MP_RelayEndpoint", text, file_type=file_type)).status == status
    assert closed.nothing_held() == (status != 200)


@pytest.mark.proves("reports.status")
async def test_a_status_message_as_documented(closed: Any, client: Any) -> None:
    text = (
        '<Status SchemaVersion="1.0" CodePage="437" LocaleID="1033"><Type>SoftDistProgramStartedEvent</Type>'
        '<Properties><Property Name="AdvertisementId">S0120001</Property>'
        f'<Property Name="ClientID">{client.smsid}</Property></Properties><Qualifiers/></Status>'
    )
    assert (await client.post("StatusReceiver", text)).status == 200
    assert len(closed.held("status.box")) == 1


# -- sealed for the management point ---------------------------------------------------------


def sealing(certificate: bytes, encryption: Encryption = "3des") -> Callable[[bytes], bytes]:
    return lambda data: seal_bytes(data, certificate, ContentKey.from_random(encryption, b"r" * 48))


@pytest.mark.proves("header.encryption_hook")
async def test_a_report_sealed_for_the_management_point(closed: Any, client: Any) -> None:
    certificate = parse_mpcert((await closed.get("/SMS_MP/.sms_aut?MPCERT")).body)
    for encryption in "3des", "aes256":
        text = hardware(client.smsid, encryption)
        message = client.message("MP_HinvEndpoint", text, compressed=False)
        sent = encode_message(message, client.signer, sealing(certificate, encryption))
        assert encryption.encode("utf-16-le") not in sent  # nobody on the way reads it
        assert (await closed.send(sent)).status == 200
    held = [ReportFile.from_bytes(file.read_bytes()).payload for file in closed.held("hinv.box")]
    assert sorted(held) == sorted(hardware(client.smsid, way) for way in ("3des", "aes256"))


@pytest.mark.proves("header.encryption_hook")
async def test_what_is_sealed_is_checked_like_the_rest(closed: Any, client: Any, stranger: Any) -> None:
    certificate = parse_mpcert((await closed.get("/SMS_MP/.sms_aut?MPCERT")).body)
    message = client.message("MP_HinvEndpoint", hardware(client.smsid))
    for signer, sealed_for, answer in (
        (stranger.signer, certificate, 403),  # a lie in an envelope
        (None, certificate, 403),
        (client.signer, client.signer.certificate, 400),  # an envelope for somebody else
    ):
        assert (await closed.send(encode_message(message, signer, sealing(sealed_for)))).status == answer
    body = encode_message(message, client.signer, lambda data: data)  # said to be sealed, and is not
    assert (await closed.send(body)).status == 400
    assert closed.nothing_held()
