"""A message, and parts of messages that nobody writes who has a choice."""

from __future__ import annotations

from emulator.protocol.framing import CONTENT_TYPE, encode_multipart
from emulator.protocol.message import Message, decode_message

LIMIT = 1_000_000
SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
MESSAGE = Message(
    message_id="{A1B2C3D4-0001-4000-8000-000000000001}",
    source_id=SMSID,
    source_host="pc1",
    target_endpoint="MP_PolicyManager",
    body_text="<RequestAssignments/>",
    sent_time="2026-06-01T08:00:00Z",
    target_host="127.0.0.1:8080",
)
BODY = "<RequestAssignments/>"
ZLIB = '<Hooks><Hook3 Name="zlib-compress"/></Hooks>'


def framed(header: str, payload: bytes) -> Message:
    """What a body with this header and payload decodes to."""
    return decode_message(CONTENT_TYPE, encode_multipart(header, payload), LIMIT)


def msg(inner: str = "", attributes: str = "") -> str:
    return f"<Msg{attributes}>{inner}<TargetEndpoint>MP_PolicyManager</TargetEndpoint></Msg>"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def declared(length: int, offset: int = 0) -> str:
    return f'<Body Type="ByteRange" Length="{length}" Offset="{offset}"/>'
