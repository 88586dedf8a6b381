"""Reports: acknowledged means on disk, and what was acknowledged reaches the site server once."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.management_point import outboxes
from emulator.protocol.envelope import ContentKey, Encryption, seal_bytes
from emulator.protocol.file_collection import collected_files
from emulator.protocol.framing import CONTENT_TYPE, decode_multipart, encode_multipart
from emulator.protocol.message import encode_message
from emulator.protocol.message_header import Attachment
from emulator.protocol.report import Report
from emulator.protocol.report_file import INBOX, ReportFile, ReportKind
from emulator.protocol.site_security import parse_mpcert
from emulator.protocol.xml import decode_utf16
from emulator.security import Security
from tests.management_point.reports import (
    REPORTS,
    files,
    hardware,
    heartbeat,
    idmif,
    metering,
    state,
    status,
)


@pytest.mark.proves(
    "reports.hinv", "reports.sinv", "reports.ddr", "reports.status", "reports.relay.swm", "reports.relay.smx",
    "reports.file_collection", "reports.idmif",
)  # fmt: skip
@pytest.mark.parametrize(("endpoint", "make", "kind"), REPORTS)
async def test_a_report_reaches_its_inbox(
    lab: Any, client: Any, endpoint: str, make: Any, kind: ReportKind
) -> None:
    reply = await client.post(endpoint, make(client.smsid))
    assert (reply.status, bool(reply.text)) == (200, True)
    await lab.until(lambda: lab.inboxes.taken)
    path, file = lab.inboxes.taken[0]
    assert path.startswith(f"/inboxes/{INBOX[kind]}/{file.key}")
    assert (file.kind, file.sender, file.payload) == (kind, client.smsid, make(client.smsid))
    assert lab.inboxes.authorizations == {"Bearer the site's secret"}
    await lab.until(lab.nothing_held)


@pytest.mark.parametrize(("endpoint", "make", "kind"), REPORTS)
async def test_without_a_database_reports_are_accepted_and_delivered(
    lab: Any, client: Any, endpoint: str, make: Any, kind: ReportKind
) -> None:
    await lab.database.away()
    assert (await client.post(endpoint, make(client.smsid))).status == 200
    await lab.restart()  # the memory of keys is on disk
    assert (await client.post(endpoint, make(client.smsid))).status == 200
    await lab.until(lambda: lab.inboxes.taken)
    await lab.until(lab.nothing_held)


async def test_without_a_database_a_forged_report_is_still_refused(
    lab: Any, client: Any, stranger: Any
) -> None:
    await lab.inboxes.stop()
    await lab.database.away()
    reply = await client.post("MP_HinvEndpoint", hardware(client.smsid), signer=stranger.signer)
    assert reply.status in (403, 500)
    assert lab.nothing_held()


async def test_without_a_database_a_client_nobody_remembers_is_told_so(lab: Any, stranger: Any) -> None:
    await lab.database.away()
    stranger.smsid = "GUID:00000000-0000-4000-8000-000000000001"
    reply = await stranger.post("MP_HinvEndpoint", hardware(stranger.smsid))
    assert reply.status == 500
    assert b"site database" in reply.body
    assert lab.nothing_held()


async def test_a_client_that_registered_at_another_management_point(lab: Any, client: Any) -> None:
    for path in (lab.settings.data / "client_keys").iterdir():
        path.unlink()
    assert (await client.post("MP_HinvEndpoint", hardware(client.smsid))).status == 200
    await lab.database.away()
    assert (await client.post("MP_HinvEndpoint", hardware(client.smsid))).status == 200


async def test_a_client_with_a_new_key_from_elsewhere(lab: Any, client: Any, stranger: Any) -> None:
    # This management point remembers the key from before.
    await lab.database.run("UPDATE ClientKeyData SET SigningCertificate = $1", stranger.signer.certificate)
    reply = await client.post("MP_HinvEndpoint", hardware(client.smsid), signer=stranger.signer)
    assert reply.status == 200


# -- what is refused leaves nothing ----------------------------------------------------------


@pytest.fixture
async def closed(lab: Any) -> Any:
    """Nothing leaves the outboxes, so nothing can be stored unseen."""
    await lab.inboxes.stop()
    return lab


@pytest.mark.proves("lies.unsigned")
async def test_unsigned(closed: Any, client: Any) -> None:
    assert (await client.post("MP_HinvEndpoint", hardware(client.smsid), signed=False)).status == 403
    assert closed.nothing_held()


@pytest.mark.proves("reports.status.unsigned")
@pytest.mark.parametrize("named", [True, False], ids=["SourceID", "ClientID only"])
@pytest.mark.parametrize("verification", ["strict", "lenient"])
async def test_a_status_message_of_2007_without_signature(
    closed: Any, client: Any, caplog: pytest.LogCaptureFixture, verification: str, named: bool
) -> None:
    await closed.restart(security=Security(verification=verification))  # type: ignore[arg-type]
    source = {} if named else {"source_id": ""}
    reply = await client.post("StatusReceiver", status(client.smsid), signed=False, **source)
    if verification == "strict":
        assert reply.status == 403
        assert closed.nothing_held()
        return
    assert reply.status == 200
    assert "believed without proof" in caplog.text
    (file,) = closed.held("status.box")
    assert ReportFile.from_bytes(file.read_bytes()).sender == client.smsid


async def test_a_status_message_of_nobody(closed: Any, client: Any) -> None:
    await closed.restart(security=Security(verification="lenient"))
    for text in (
        status("nobody"),
        status("").replace("<Property", "<Other").replace("</Property>", "</Other>"),
    ):
        assert (await client.post("StatusReceiver", text, signed=False, source_id="")).status == 400
    assert closed.nothing_held()


@pytest.mark.proves("lies.wrong_key")
async def test_signed_by_another_key(closed: Any, client: Any, stranger: Any) -> None:
    reply = await client.post("MP_HinvEndpoint", hardware(client.smsid), signer=stranger.signer)
    assert reply.status == 403
    assert closed.nothing_held()


async def test_from_somebody_unknown(closed: Any, stranger: Any) -> None:
    stranger.smsid = "GUID:00000000-0000-4000-8000-000000000001"
    reply = await stranger.post("MP_HinvEndpoint", hardware(stranger.smsid))
    assert reply.status == 403
    assert closed.nothing_held()


async def test_signed_payload_replaced(closed: Any, client: Any) -> None:
    body = encode_message(
        client.message("MP_HinvEndpoint", hardware(client.smsid), compressed=False), client.signer
    )
    assert (
        await closed.send(body.replace("one".encode("utf-16-le"), "two".encode("utf-16-le")))
    ).status == 403
    assert closed.nothing_held()


@pytest.mark.proves("lies.another_name")
async def test_in_the_name_of_another_client(closed: Any, client: Any, stranger: Any) -> None:
    await stranger.register()
    reply = await client.post("MP_HinvEndpoint", hardware(client.smsid), source_id=stranger.smsid)
    assert reply.status == 403
    assert closed.nothing_held()


async def test_a_report_about_another_client(closed: Any, client: Any, stranger: Any) -> None:
    await stranger.register()
    for endpoint, text in (
        ("MP_HinvEndpoint", hardware(stranger.smsid)),
        ("MP_RelayEndpoint", state(stranger.smsid)),
    ):
        assert (await client.post(endpoint, text)).status == 403
    assert closed.nothing_held()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no XML",
        "<Report>",
        "<Other/>",
        '<!DOCTYPE r [<!ENTITY e "e">]><Report>&e;</Report>',
        "<Report>" * 500 + "</Report>" * 500,
    ],
    ids=["empty", "text", "not closed", "another root", "entity", "deep"],
)
async def test_no_report(closed: Any, client: Any, body: str) -> None:
    assert (await client.post("MP_HinvEndpoint", body)).status == 400
    assert closed.nothing_held()


async def test_a_report_at_an_endpoint_that_does_not_exist(closed: Any, client: Any) -> None:
    assert (await client.post("MP_Nowhere", hardware(client.smsid))).status == 400
    assert closed.nothing_held()


def framed(client: Any, payload: bytes) -> bytes:
    """A message with a payload of the test's own, signed."""
    body = encode_message(client.message("MP_HinvEndpoint", "x"), client.signer)
    text = decode_utf16(decode_multipart(CONTENT_TYPE, body).header)
    start = text.index('PayloadSignature">') + len('PayloadSignature">')
    text = text[:start] + client.signer.sign(payload) + text[text.index("<", start) :]
    return encode_multipart(text, payload)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"not zlib at all", 400),
        (zlib.compress(b"<\0R\0" * 1000)[:-10], 400),
        (zlib.compress(b"\0" * 50_000_000, 9), 413),
        (zlib.compress(b"\xd8\xd8\xd8\xd8"), 400),
        (zlib.compress("<Report/>".encode("utf-16-le")), 400),
    ],
    ids=["other bytes", "cut short", "bomb", "no UTF-16", "no report"],
)
async def test_wrongly_compressed(closed: Any, client: Any, payload: bytes, status: int) -> None:
    assert (await closed.send(framed(client, payload))).status == status
    assert closed.nothing_held()


async def test_too_large_on_the_wire(closed: Any, client: Any) -> None:
    text = hardware(client.smsid, "x" * 100_000)
    assert (await client.post("MP_HinvEndpoint", text, compressed=False)).status == 413
    assert closed.nothing_held()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_refuses_is_never_an_acknowledgement(
    closed: Any, client: Any, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(error, "the disk says no")

    monkeypatch.setattr("emulator.spool._replace_synced", refuses)
    reply = await client.post("MP_HinvEndpoint", hardware(client.smsid))
    assert reply.status == (507 if error == errno.ENOSPC else 500)
    assert b"the disk says no" in reply.body
    monkeypatch.undo()
    assert closed.nothing_held()
    assert (await client.post("MP_HinvEndpoint", hardware(client.smsid))).status == 200
    assert len(closed.held("hinv.box")) == 1


async def test_an_acknowledged_report_is_on_disk_before_the_answer(
    closed: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    put = outboxes.Outboxes.put

    async def watched(self: Any, file: Any) -> Any:
        entry = await put(self, file)
        order.append(f"on disk {entry.path.exists()}")
        return entry

    monkeypatch.setattr(outboxes.Outboxes, "put", watched)
    await client.post("MP_HinvEndpoint", hardware(client.smsid))
    order.append("answered")
    assert order == ["on disk True", "answered"]


# -- the forms in which a report may come --------------------------------------------------


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
