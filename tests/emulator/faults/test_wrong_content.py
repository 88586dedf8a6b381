"""Wrong content has the right length; wrong hashes are hashes."""

from __future__ import annotations

import pytest

from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_reply, encode_reply
from tests.emulator.faults.relay import BODY, Relay, http_reply, http_request
from tests.emulator.faults.test_exchange import message
from tests.emulator.faults.test_wrong_answers import closing, parted

CONTENT = http_request("/SMS_DP_SMSPKG$/S0100001/setup.exe", b"", "Connection: close")
HASH = "SHA256:" + "0123456789ABCDEF" * 4


@pytest.mark.parametrize(
    ("settings", "flipped"),
    [
        ({}, [0]),
        ({"offset": 1000, "count": 3}, [1000, 1001, 1002]),
        ({"offset": len(BODY) + 5}, [5]),
        ({"offset": len(BODY) - 1, "count": 9}, [len(BODY) - 1]),
    ],
)
async def test_bytes_are_flipped(relay: Relay, settings: dict[str, int], flipped: list[int]) -> None:
    before = await relay.ask(CONTENT)
    planned = await relay.set("flipped_bytes", **settings)
    reply = await relay.ask(CONTENT)
    assert parted(reply)[:2] == parted(before)[:2]
    body = parted(reply)[2]
    assert [n for n in range(len(BODY)) if body[n] != BODY[n]] == flipped
    assert (await relay.ask()).endswith(BODY)  # neither content nor policy
    relay.link.lift(planned)
    assert await relay.ask(CONTENT) == before


async def test_bytes_are_flipped_wherever_pieces_end(relay: Relay) -> None:
    await relay.set("bandwidth", bytes_per_second=100 * 60)  # pieces of 300 bytes
    await relay.set("flipped_bytes", offset=595, count=10)
    body = parted(await relay.ask(CONTENT))[2]
    assert [n for n in range(len(BODY)) if body[n] != BODY[n]] == list(range(595, 605))


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        http_reply(b""),
        http_reply(b"<html>not found</html>", status="404 Not Found"),
    ],
    ids=["304", "empty", "404"],
)
async def test_where_there_is_no_content_no_byte_is_flipped_and_nothing_counts(
    relay: Relay, reply: bytes
) -> None:
    whole, relay.reply = relay.reply, reply
    planned = await relay.set("flipped_bytes", first=1)
    assert await relay.ask(CONTENT) == reply
    assert (planned.hits, planned.spent) == (0, False)
    relay.reply = whole
    assert parted(await relay.ask(CONTENT))[2] != BODY
    assert planned.spent


@pytest.mark.parametrize("packed", [True, False])
async def test_assignments_announce_other_hashes(relay: Relay, packed: bool) -> None:
    text = (
        f'<ReplyAssignments><PolicyLocation PolicyHash="SHA1:AB0" PolicyHashEx="{HASH}"/></ReplyAssignments>'
    )
    asked = Message(
        "{1}", "", "PC01", "MP_PolicyManager", "", "", reply_compression="zlib" if packed else "none"
    )
    body = encode_reply(asked, text, reply_id="{2}", sent_time="", source_host="MP1")
    relay.reply = http_reply(body, f"Content-Type: {CONTENT_TYPE}")
    before = await relay.ask(closing(message()))
    planned = await relay.set("wrong_hash")
    _, headers, wrong = parted(await relay.ask(closing(message())))
    assert int(headers["Content-Length"]) == len(wrong)
    told = decode_reply(headers["Content-Type"], wrong)
    assert told == text.replace("AB0", "AB1").replace("ABCDEF" + '"', "ABCDE0" + '"')
    relay.link.lift(planned)
    assert await relay.ask(closing(message())) == before


async def test_a_file_list_announces_other_tags(relay: Relay) -> None:
    listing = b'<D:getetag>"0123456789ABCDEF"</D:getetag><D:x>1</D:x><D:getetag>"00"</D:getetag>'
    relay.reply = http_reply(listing, status="207 Multi-Status")
    await relay.set("wrong_hash")
    request = http_request("/SMS_DP_SMSPKG$/S0100001/", b"", "Connection: close", verb="PROPFIND")
    body = parted(await relay.ask(request))[2]
    assert body == listing.replace(b'F"', b'0"').replace(b'"00"', b'"01"')


async def test_an_error_announces_nothing(relay: Relay) -> None:
    relay.reply = http_reply(b"no", status="500 Internal Server Error")
    before = await relay.ask(closing(message()))
    planned = await relay.set("wrong_hash")
    assert await relay.ask(closing(message())) == before
    assert planned.hits == 0
