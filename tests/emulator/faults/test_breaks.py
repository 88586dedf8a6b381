"""Broken connections: each break looks to who waits as its sentence says."""

from __future__ import annotations

import asyncio
import time

import pytest

from emulator.errors import FaultRefused
from tests.clients.until import until
from tests.emulator.faults.relay import BODY, Relay, http_reply, http_request


async def test_reset_before_the_request_arrives(relay: Relay) -> None:
    reset = await relay.set("reset", first=1)
    with pytest.raises(ConnectionResetError):
        await relay.ask()
    assert relay.asked == []
    assert (await relay.ask()).endswith(BODY)
    assert (reset.hits, reset.spent) == (1, True)


@pytest.mark.parametrize(("at", "asked"), [("request", 0), ("reply", 1)])
async def test_reset_after_a_silence(relay: Relay, at: str, asked: int) -> None:
    await relay.set("reset", at=at, seconds=0.2)
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        await relay.ask()
    assert 0.2 <= time.monotonic() - began < 10
    assert len(relay.asked) == asked


async def test_a_reset_that_is_lifted_in_the_silence_before_it_does_not_come(relay: Relay) -> None:
    reset = await relay.set("reset", seconds=3600)
    waiting = asyncio.create_task(relay.ask())
    await until(lambda: reset.hits == 1)
    relay.link.lift(reset)
    assert (await waiting).endswith(BODY)


def test_a_silence_goes_before_everything(relay: Relay) -> None:
    with pytest.raises(FaultRefused, match="reset: seconds: does not go with after_bytes"):
        relay.plan("reset", seconds=1, after_bytes=1)


async def test_reset_within_the_reply(relay: Relay) -> None:
    await relay.set("reset", at="reply", after_bytes=300)
    reader, writer = await relay.connect()
    writer.write(http_request())
    await reader.readuntil(b"\r\n\r\n")
    # What was on its way when the reset came may arrive or not; nothing behind it does.
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(301)
    assert len(relay.asked) == 1  # the target has done its work
    writer.close()


async def test_a_truncated_body_is_shorter_than_announced(relay: Relay) -> None:
    truncated = await relay.set("truncated", after_bytes=10)
    head, _, body = (await relay.ask()).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(BODY)}".encode() in head
    assert body == BODY[:10]
    relay.link.lift(truncated)
    assert (await relay.ask()).endswith(BODY)


@pytest.mark.parametrize("after_bytes", [len(BODY), len(BODY) + 1])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [("truncated", {}), ("reset", {"at": "reply"}), ("reset", {"at": "request"})],
    ids=str,
)
async def test_what_is_short_enough_passes_and_is_no_hit(
    relay: Relay, kind: str, settings: dict[str, str], after_bytes: int
) -> None:
    planned = await relay.set(kind, after_bytes=after_bytes, first=1, **settings)
    reader, writer = await relay.connect()
    for _ in range(2):  # and the connection stays
        writer.write(http_request("/", BODY))
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(BODY)) == BODY
    assert (planned.hits, planned.spent) == (0, False)
    writer.close()


async def test_a_longer_body_is_a_hit_after_a_shorter_one(relay: Relay) -> None:
    truncated = await relay.set("truncated", after_bytes=10, first=1)
    whole, relay.reply = relay.reply, http_reply(b"short")
    assert (await relay.ask()).endswith(b"short")
    assert not truncated.spent
    relay.reply = whole
    assert (await relay.ask()).endswith(b"\r\n\r\n" + BODY[:10])
    assert truncated.spent


async def test_a_truncated_body_in_chunks(relay: Relay) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    relay.reply = head + b"5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n"
    short = await relay.set("truncated", after_bytes=10)
    assert await relay.ask() == relay.reply
    assert short.hits == 0
    relay.link.lift(short)
    long = await relay.set("truncated", after_bytes=7)
    assert (await relay.ask()).endswith(b"fg")
    assert long.hits == 1


async def test_a_limit_of_bytes_that_is_not_reached_is_no_hit(relay: Relay) -> None:
    whole = await relay.ask()
    limit = await relay.set("byte_limit", bytes=len(whole) + 1)
    assert await relay.ask() == whole
    assert limit.hits == 0


async def test_a_limit_of_bytes_counts_the_head(relay: Relay) -> None:
    whole = await relay.ask()
    await relay.set("byte_limit", bytes=20)
    assert await relay.ask() == whole[:20]


async def test_garbage_in_a_replys_place(relay: Relay) -> None:
    await relay.set("garbage", bytes=64)
    garbage = await relay.ask()
    assert len(garbage) == 64
    assert not garbage.startswith(b"HTTP")


async def test_garbage_is_no_message_of_negative_length_to_a_client_of_postgresql(relay: Relay) -> None:
    """asyncpg reads a byte and four of a length, and never comes back from a negative one."""
    for seed in range(8):
        fault = await relay.set("garbage", bytes=32, seed=seed)
        assert int.from_bytes((await relay.ask())[1:5], "big", signed=True) > 1 << 24
        relay.link.lift(fault)


async def test_garbage_in_a_bodys_place(relay: Relay) -> None:
    before = await relay.ask()
    await relay.set("garbage", part="body")
    head, _, body = (await relay.ask()).partition(b"\r\n\r\n")
    assert before.startswith(head)
    assert len(body) == len(BODY)
    assert body != BODY


async def test_open_connections_to_the_database_are_reset_at_once(raw_relay: Relay) -> None:
    raw_relay.reply = b"row"
    reader, writer = await raw_relay.connect()
    writer.write(b"query")
    await reader.readexactly(3)
    reset = await raw_relay.set("reset", first=1)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    assert await raw_relay.ended.get() == "ConnectionResetError"
    assert reset.hits == 1
    writer.close()


async def test_a_connection_that_is_over_is_forgotten(relay: Relay) -> None:
    for _ in range(3):
        await relay.ask()
        assert await relay.ended.get() == "closed"
    assert not relay.link.connections
