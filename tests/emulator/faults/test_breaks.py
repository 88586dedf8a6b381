"""Broken connections: each break looks to who waits as its sentence says."""

from __future__ import annotations

import asyncio

import pytest

from tests.emulator.faults.relay import BODY, Relay, http_request


async def test_reset_before_the_request_arrives(relay: Relay) -> None:
    reset = await relay.set("reset", first=1)
    with pytest.raises(ConnectionResetError):
        await relay.ask()
    assert relay.asked == []
    assert (await relay.ask()).endswith(BODY)
    assert (reset.hits, reset.spent) == (1, True)


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


async def test_a_limit_of_bytes_counts_the_head(relay: Relay) -> None:
    whole = await relay.ask()
    await relay.set("byte_limit", bytes=20)
    assert await relay.ask() == whole[:20]


async def test_garbage_in_a_replys_place(relay: Relay) -> None:
    await relay.set("garbage", bytes=64)
    garbage = await relay.ask()
    assert len(garbage) == 64
    assert not garbage.startswith(b"HTTP")


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
