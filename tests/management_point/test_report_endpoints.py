"""Reports: acknowledged means on disk, and what was acknowledged reaches the site server once."""

from __future__ import annotations

import errno
import zlib
from typing import Any

import pytest

from emulator.management_point import outboxes
from emulator.protocol.framing import CONTENT_TYPE, decode_multipart, encode_multipart
from emulator.protocol.message import encode_message
from emulator.protocol.report_file import INBOX, ReportFile, ReportKind
from emulator.protocol.xml import decode_utf16
from emulator.security import Security
from tests.management_point.reports import REPORTS, hardware, state, status


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
