"""Large messages in fragments: what BITS says, and what becomes of the message."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from clients.identity import Identity
from clients.settings import ClientSettings
from clients.transport import Outgoing, Transport
from emulator.clock import Clock
from emulator.management_point import upload_sessions
from emulator.management_point.bits_upload import BitsUpload
from emulator.management_point.management_point import ManagementPoint
from emulator.management_point.upload_sessions import UploadSessions
from emulator.protocol.message import encode_message
from emulator.protocol.report_file import ReportFile
from tests.management_point.lab import Client
from tests.management_point.test_report_endpoints import hardware

URL = "/CCM_Incoming/{0F8FAD5B-D9CB-469F-A165-70867728950E}"
PROTOCOL = "{7df0354d-249b-430f-820d-3d2a9bef4931}"


class Bits:
    """A client of the protocol, one packet at a time."""

    def __init__(self, lab: Any, url: str = URL) -> None:
        self.lab, self.url, self.session = lab, url, ""

    async def send(self, packet: str, data: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.session:
            named.setdefault("BITS-Session-Id", self.session)
        async with self.lab.http.request(
            "BITS_POST", self.url, data=data, headers={"BITS-Packet-Type": packet, **named}
        ) as response:
            await response.read()
            assert response.headers["BITS-Packet-Type"] == "Ack"
            return response

    async def create(self) -> Any:
        response = await self.send("Create-Session", BITS_Supported_Protocols=PROTOCOL)
        self.session = response.headers.get("BITS-Session-Id", "")
        return response

    async def fragment(self, content: bytes, first: int, last: int, total: int | None = None) -> Any:
        place = f"bytes {first}-{last}/{total or len(content)}"
        return await self.send(
            "Fragment", content[first : last + 1], Content_Range=place, Content_Name="message"
        )

    async def upload(self, content: bytes, step: int = 1000) -> Any:
        assert (await self.create()).status == 200
        for first in range(0, len(content), step):
            last = min(first + step, len(content)) - 1
            response = await self.fragment(content, first, last)
            assert response.status == 200
            assert response.headers["BITS-Received-Content-Range"] == str(last + 1)
        return await self.send("Close-Session")


@pytest.fixture
async def bits(lab: Any) -> Bits:
    await lab.inboxes.stop()
    return Bits(lab)


def message(client: Any, text: str = "x" * 3000) -> bytes:
    report = hardware(client.smsid, text)
    return encode_message(client.message("MP_HinvEndpoint", report, compressed=False), client.signer)


def kept(lab: Any) -> list[str]:
    return [ReportFile.from_bytes(path.read_bytes()).payload for path in lab.held("hinv.box")]


def sessions(lab: Any) -> list[Path]:
    return list((lab.settings.data / "ccm_incoming").iterdir())


@pytest.mark.proves("bits.ping", "bits.create")
async def test_what_is_answered(bits: Bits) -> None:
    assert (await bits.send("Ping")).status == 200
    response = await bits.create()
    assert response.headers["BITS-Protocol"].lower() == PROTOCOL
    assert response.headers["Accept-Encoding"] == "Identity"
    assert bits.session.startswith("{")
    assert len(sessions(bits.lab)) == 1


@pytest.mark.proves("bits.message", "bits.fragment", "bits.close")
@pytest.mark.parametrize("url", [URL, URL.lower(), "/ccm_incoming/%7B0F8FAD5B%7D/report"])
async def test_an_uploaded_message_is_a_message(lab: Any, bits: Bits, client: Any, url: str) -> None:
    bits.url = url
    assert (await bits.upload(message(client))).status == 200
    assert kept(lab) == [hardware(client.smsid, "x" * 3000)]
    assert sessions(lab) == []
    assert (await bits.send("Close-Session")).headers["BITS-Error-Code"] == "0x8020001F"


@pytest.mark.proves("bits.message")
async def test_the_same_message_posted_and_uploaded_is_one_report(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    assert (await lab.send(body)).status == 200
    assert (await bits.upload(body)).status == 200
    assert (await bits.upload(body, 70)).status == 200
    assert len(kept(lab)) == 1


@pytest.mark.proves("bits.resume")
async def test_an_upload_survives_a_restart(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    await bits.create()
    await bits.fragment(body, 0, 999)
    await lab.restart()
    # The client does not know how far it came: it learns it, or says too much again.
    lost = await bits.fragment(body, 1500, 1999)
    assert (lost.status, lost.headers["BITS-Received-Content-Range"]) == (416, "1000")
    await bits.fragment(body, 500, len(body) - 1)
    await lab.restart()
    assert (await bits.send("Close-Session")).status == 200
    assert kept(lab) == [hardware(client.smsid, "x" * 3000)]


@pytest.mark.proves("bits.gap", "bits.overlap")
async def test_gaps_and_overlaps(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    await bits.create()
    gap = await bits.fragment(body, 10, 19)
    assert (gap.status, gap.headers["BITS-Received-Content-Range"]) == (416, "0")
    for first, last, received in [(0, 99, 100), (0, 99, 100), (20, 29, 100), (50, 149, 150)]:
        response = await bits.fragment(body, first, last)
        assert (response.status, response.headers["BITS-Received-Content-Range"]) == (200, str(received))
    await bits.fragment(body, 150, len(body) - 1)
    assert (await bits.send("Close-Session")).status == 200
    assert len(kept(lab)) == 1


@pytest.mark.proves("bits.cancel", "bits.unknown_session")
async def test_a_cancelled_upload_is_gone(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    await bits.create()
    await bits.fragment(body, 0, len(body) - 1)
    assert (await bits.send("Cancel-Session")).status == 200
    assert sessions(lab) == []
    for response in (
        await bits.fragment(body, 0, 99),
        await bits.send("Close-Session"),
        await bits.send("Cancel-Session"),
    ):
        assert response.status == 404
        assert response.headers["BITS-Error-Code"] == response.headers["BITS-Error"] == "0x8020001F"
        assert response.headers["BITS-Error-Context"] == "0x5"
    assert kept(lab) == []


@pytest.mark.proves("bits.errors")
async def test_packets_that_are_refused(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    assert (await bits.send("Dance")).status == 400
    assert (await bits.send("Create-Session", BITS_Supported_Protocols="{0}")).status == 400
    await bits.create()
    await bits.fragment(body, 0, 99)
    refused = [
        await bits.send("Fragment", b"abc", Content_Range="bytes 100-199/3000"),  # says more than it brings
        await bits.send("Fragment", b"abc", Content_Range="bytes 100-102/*"),
        await bits.send("Fragment", b"abc"),
        await bits.fragment(body, 100, 199, total=9999),  # another total than before
        await bits.send("Close-Session"),  # not all there
    ]
    assert [(r.status, r.headers["BITS-Error-Code"]) for r in refused] == [(400, "0x80070057")] * 5
    # None of them did harm.
    await bits.fragment(body, 100, len(body) - 1)
    assert (await bits.send("Close-Session")).status == 200
    assert len(kept(lab)) == 1


@pytest.mark.proves("bits.limits")
async def test_too_large(lab: Any, bits: Bits) -> None:
    await bits.create()
    whole = await bits.send("Fragment", b"abc", Content_Range="bytes 0-2/100001")
    piece = await bits.send("Fragment", b"x" * 100_001, Content_Range="bytes 0-100000/100001")
    for response in (whole, piece):
        assert (response.status, response.headers["BITS-Error-Code"]) == (413, "0x80200020")
    assert [(path / "data").stat().st_size for path in sessions(lab)] == [0]


@pytest.mark.proves("bits.limits")
async def test_too_many(lab: Any, bits: Bits) -> None:
    class Few(ManagementPoint):
        def make_bits_upload(self) -> BitsUpload:
            kept = UploadSessions(self.settings.data / "ccm_incoming", self.clock, 1000, max_sessions=2)
            return BitsUpload(kept, self.ccm_system.receive)

    await lab.restart(Few)
    assert [(await Bits(lab).create()).status for _ in range(3)] == [200, 200, 503]
    assert len(sessions(lab)) == 2


@pytest.mark.proves("bits.idle")
async def test_an_upload_left_alone_is_forgotten(lab: Any, bits: Bits, client: Any) -> None:
    await bits.create()
    (folder,) = sessions(lab)
    data, fortnight = folder / "data", 14 * 86400.0  # site time, as is the file's
    os.utime(data, (lab.role.clock.time() - fortnight + 86400.0,) * 2)
    assert (await bits.fragment(message(client), 0, 9)).status == 200
    assert data.stat().st_mtime > lab.role.clock.time() - 86400.0  # somebody went on with it
    os.utime(data, (lab.role.clock.time() - fortnight - 1,) * 2)
    assert (await bits.fragment(message(client), 10, 19)).status == 404
    assert sessions(lab) == []


@pytest.mark.proves("bits.close")
async def test_a_message_that_is_refused(lab: Any, bits: Bits, client: Any, stranger: Any) -> None:
    forged = encode_message(client.message("MP_HinvEndpoint", hardware(client.smsid)), stranger.signer)
    for content, status, code in (
        (forged, 403, "0x80070005"),
        (b"no message", 400, "0x80070057"),
        (message(client)[:-40], 400, "0x80070057"),
    ):
        response = await Bits(lab).upload(content)
        assert (response.status, response.headers["BITS-Error-Code"]) == (status, code)
        assert response.headers["BITS-Error-Context"] == "0x7"
    assert (kept(lab), sessions(lab)) == ([], [])


@pytest.mark.proves("bits.close")
async def test_a_message_that_can_be_taken_later(
    lab: Any, bits: Bits, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOSPC, "the disk says no")

    body = message(client)
    await bits.create()
    await bits.fragment(body, 0, len(body) - 1)
    with monkeypatch.context() as patch:
        patch.setattr("emulator.spool._replace_synced", refuses)
        response = await bits.send("Close-Session")
    assert (response.status, response.headers["BITS-Error-Code"]) == (507, "0x80070070")
    assert (await bits.send("Close-Session")).status == 200
    assert len(kept(lab)) == 1


@pytest.mark.proves("bits.errors")
async def test_a_disk_that_refuses_a_fragment(
    lab: Any, bits: Bits, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(upload: Any, total: int, new: bytes, now: float) -> None:
        (upload.folder / "data").write_bytes(new[: len(new) // 2])
        raise OSError(errno.ENOSPC, "the disk says no")

    body = message(client)
    await bits.create()
    with monkeypatch.context() as patch:
        patch.setattr(upload_sessions, "_write", half)
        response = await bits.fragment(body, 0, len(body) - 1)
    assert (response.status, response.headers["BITS-Error-Code"]) == (507, "0x80070070")
    await bits.fragment(body, 0, len(body) - 1)
    assert (await bits.send("Close-Session")).status == 200
    assert kept(lab) == [hardware(client.smsid, "x" * 3000)]


@pytest.mark.proves("lies.cut_short", "bits.fragment")
async def test_a_fragment_cut_short_is_nothing(lab: Any, bits: Bits, client: Any) -> None:
    body = message(client)
    await bits.create()
    _, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    head = (
        f"BITS_POST {URL} HTTP/1.1\r\nHost: mp1\r\nBITS-Packet-Type: Fragment\r\n"
        f"BITS-Session-Id: {bits.session}\r\nContent-Range: bytes 0-999/{len(body)}\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    writer.write(head.encode() + body[:500])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    lost = await bits.fragment(body, 400, 499)
    assert (lost.status, lost.headers["BITS-Received-Content-Range"]) == (416, "0")


@pytest.mark.parametrize("path", ["/CCM_Incoming", "/CCM_Incoming/", "/SMS_MP/x", "/ccm_system/request"])
async def test_other_places(lab: Any, path: str) -> None:
    async with lab.http.request("BITS_POST", path, headers={"BITS-Packet-Type": "Ping"}) as response:
        assert response.status == 404


@pytest.mark.proves("bits.client", "header.encryption_hook")
@pytest.mark.parametrize("encrypt", [False, True], ids=["plain", "encrypted"])
async def test_a_simulated_client_uploads_what_is_large(lab: Any, tmp_path: Path, encrypt: bool) -> None:
    await lab.inboxes.stop()
    settings = ClientSettings(
        name="PC01",
        management_point=lab.settings.role.url,
        site_code="S01",
        data=tmp_path / "client",
        message_size_threshold=8,
        request_timeout=30,
        encrypt_reports=encrypt,
    )
    clock = Clock()
    identity = Identity(settings.data, settings.name, settings.seed, clock)
    transport = Transport(settings, clock, identity)
    try:
        registered = Client(lab, settings.name, identity.signer)
        assert (await registered.register()).status == 200
        identity.accept(registered.smsid)
        outgoing = [
            Outgoing(identity.new_id(), "MP_HinvEndpoint", hardware(identity.smsid, text))
            for text in ("small", os.urandom(20_000).hex())
        ]
        assert [await transport.deliver(o) for o in outgoing] == [False, True]
    finally:
        await transport.close()
    assert kept(lab) == [o.body for o in outgoing]
