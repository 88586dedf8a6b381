"""BITS upload, the sending side: a large message in fragments.

A fragment whose answer was lost is sent again, and what the server has of it already it ignores;
a server that has less than it was believed to have says so (416), and is believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from emulator.errors import ManagementPointUnavailable
from emulator.protocol.bits_upload import PACKET_TYPE, PROTOCOL, RECEIVED, SESSION_ID, ErrorCode

FRAGMENT = 256 * 1024  # bytes
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class PacketReply:
    """What came back for one packet."""

    status: int
    headers: Mapping[str, str]
    reason: str


Send = Callable[[str, Mapping[str, str], bytes], Awaitable[PacketReply]]


async def upload(send: Send, url: str, content: bytes, fragment: int = FRAGMENT) -> None:
    """Bring ``content`` to a URL; returns when the server has taken it.

    Raises:
        ManagementPointUnavailable: it did not; ``status`` and text say what was seen.
    """
    headers = {PACKET_TYPE: "Create-Session", "BITS-Supported-Protocols": PROTOCOL}
    created = _accepted(await send(url, headers, b""))
    session = {SESSION_ID: created.headers.get(SESSION_ID, "")}
    received = 0
    while received < len(content):
        piece = content[received : received + fragment]
        place = f"bytes {received}-{received + len(piece) - 1}/{len(content)}"
        reply = await send(url, {**session, PACKET_TYPE: "Fragment", "Content-Range": place}, piece)
        if reply.status != _RANGE_NOT_SATISFIABLE:
            _accepted(reply)
        received = _progress(reply, received)
    _accepted(await send(url, {**session, PACKET_TYPE: "Close-Session"}, b""))


def _accepted(reply: PacketReply) -> PacketReply:
    if reply.headers.get("BITS-Error-Code") == ErrorCode.SESSION_NOT_FOUND:
        # Its status speaks of the session, not of the message: a new upload may succeed.
        raise ManagementPointUnavailable(f"the upload session is lost: {reply.reason}")
    if reply.status != 200:
        raise ManagementPointUnavailable(
            f"HTTP {reply.status} {reply.reason}".strip(), status=reply.status, sent=reply.status >= 500
        )
    return reply


def _progress(reply: PacketReply, before: int) -> int:
    """The next byte the server wants; one that never moves would be asked for ever."""
    try:
        received = int(reply.headers[RECEIVED])
    except (KeyError, ValueError) as exc:
        raise ManagementPointUnavailable(
            f"HTTP {reply.status} without {RECEIVED}", status=reply.status
        ) from exc
    if received == before:
        raise ManagementPointUnavailable(f"the upload does not go on from byte {before}", status=reply.status)
    return received
