"""The sending side of an upload, against answers made up by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from clients.bits_upload import PacketReply, upload
from emulator.errors import ManagementPointUnavailable
from emulator.protocol.bits_upload import RECEIVED, Fragment

SESSION = {"BITS-Session-Id": "{1}"}


class Server:
    """Takes fragments, and forgets as much as it is told to, once."""

    def __init__(self, forgets: int = 0, last: PacketReply | None = None) -> None:
        self.content = b""
        self.forgets = forgets
        self.packets: list[str] = []
        self.last = last or PacketReply(200, {}, "")

    async def send(self, url: str, headers: Mapping[str, str], data: bytes) -> PacketReply:
        packet = headers["BITS-Packet-Type"]
        self.packets.append(packet)
        if packet == "Create-Session":
            return PacketReply(200, SESSION, "")
        assert headers["BITS-Session-Id"] == "{1}"
        if packet == "Close-Session":
            return self.last
        place = Fragment.from_header(headers["Content-Range"])
        if self.forgets and self.content:
            self.content, self.forgets = self.content[: -self.forgets], 0
        if place.first > len(self.content):
            return PacketReply(416, {RECEIVED: str(len(self.content))}, "")
        self.content += data[len(self.content) - place.first :]
        return PacketReply(200, {RECEIVED: str(len(self.content))}, "")


@pytest.mark.proves("bits.client")
@pytest.mark.parametrize(("forgets", "fragments"), [(0, 3), (1, 4), (3, 5)])
async def test_a_message_arrives_whole(forgets: int, fragments: int) -> None:
    server = Server(forgets)
    await upload(server.send, "http://mp/x", b"0123456789", fragment=4)
    assert server.content == b"0123456789"
    assert server.packets[0] == "Create-Session"
    assert server.packets.count("Fragment") == fragments
    assert server.packets[-1] == "Close-Session"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (PacketReply(403, {"BITS-Error-Code": "0x80070005"}, "no"), 403),
        (PacketReply(507, {}, "full"), 507),
        (PacketReply(404, {"BITS-Error-Code": "0x8020001F"}, "who?"), None),  # to be tried again
    ],
)
async def test_refusals(reply: PacketReply, status: int | None) -> None:
    with pytest.raises(ManagementPointUnavailable) as refused:
        await upload(Server(last=reply).send, "http://mp/x", b"0123456789")
    assert refused.value.status == status


@pytest.mark.parametrize("headers", [{}, {RECEIVED: "x"}, {RECEIVED: "0"}])
async def test_an_answer_that_leads_nowhere(headers: dict[str, str]) -> None:
    async def send(url: str, sent: Mapping[str, str], data: bytes) -> PacketReply:
        return PacketReply(200, headers if sent["BITS-Packet-Type"] == "Fragment" else SESSION, "")

    with pytest.raises(ManagementPointUnavailable):
        await upload(send, "http://mp/x", b"0123456789")
