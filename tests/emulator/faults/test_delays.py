"""Slow replies are the right ones; and a fault that is lifted lets go at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from emulator.errors import FaultRefused
from tests.clients.until import until
from tests.emulator.faults.relay import BODY, Relay, http_reply, http_request


async def test_latency_makes_replies_late_and_leaves_them_whole(relay: Relay) -> None:
    before = await relay.ask()
    latency = await relay.set("latency", seconds=0.3, jitter=0.1)
    began = time.monotonic()
    assert await relay.ask() == before
    assert time.monotonic() - began >= 0.2
    assert latency.hits == 1
    relay.link.lift(latency)
    assert await relay.ask() == before
    assert latency.hits == 1


async def test_lifting_latency_lets_a_waiting_reply_go_at_once(relay: Relay) -> None:
    latency = await relay.set("latency", seconds=3600)
    waiting = asyncio.create_task(relay.ask())
    await until(lambda: bool(relay.asked))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    relay.link.lift(latency)
    assert (await waiting).endswith(BODY)


async def test_latency_of_requests(relay: Relay) -> None:
    await relay.set("latency", seconds=3600, direction="requests")
    waiting = asyncio.create_task(relay.ask())
    await asyncio.sleep(0.1)
    assert not relay.asked
    waiting.cancel()


async def test_jitter_is_the_same_for_the_same_seed(relay: Relay) -> None:
    def drawn(seed: int) -> list[float]:
        stream = relay.plan("latency", seconds=1, seed=seed).random("x")
        relay.numbers = 0
        return [stream.random() for _ in range(3)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_jitter_larger_than_the_latency_is_refused(relay: Relay) -> None:
    with pytest.raises(FaultRefused, match="latency: jitter: at most 1, the seconds it goes around"):
        relay.plan("latency", seconds=1, jitter=2)


async def test_bandwidth_is_thin(relay: Relay) -> None:
    thin = await relay.set("bandwidth", bytes_per_second=4 * len(BODY))
    began = time.monotonic()
    assert (await relay.ask()).endswith(BODY)
    assert time.monotonic() - began >= 0.25
    relay.link.lift(thin)


async def test_a_reply_hangs_in_its_middle_and_goes_on(relay: Relay) -> None:
    hang = await relay.set("hang", after_bytes=100)
    reader, writer = await relay.connect()
    writer.write(http_request("/", b"", "Connection: close"))
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(100) == BODY[:100]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    relay.link.lift(hang)
    assert await reader.read() == BODY[100:]
    writer.close()


@pytest.mark.parametrize("after_bytes", [len(BODY), len(BODY) + 1])
async def test_a_body_that_ends_before_a_hang_passes_and_is_no_hit(relay: Relay, after_bytes: int) -> None:
    hang = await relay.set("hang", after_bytes=after_bytes, first=1)
    for _ in range(2):
        assert (await relay.ask()).endswith(BODY)
    assert (hang.hits, hang.spent) == (0, False)


async def test_a_reply_without_a_body_has_none_to_hang_in(relay: Relay) -> None:
    relay.reply = http_reply(b"", status="204 No Content")
    hang = await relay.set("hang")
    assert await relay.ask() == relay.reply
    assert hang.hits == 0


async def test_all_of_a_reply_hangs(relay: Relay) -> None:
    relay.reply = http_reply(b"")
    hang = await relay.set("hang", part="reply")
    waiting = asyncio.create_task(relay.ask())
    await until(lambda: bool(relay.asked))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    relay.link.lift(hang)
    assert await waiting == relay.reply
    assert hang.hits == 1


async def test_a_request_hangs(relay: Relay) -> None:
    hang = await relay.set("hang", part="request")
    waiting = asyncio.create_task(relay.ask())
    await until(lambda: hang.hits == 1)
    await asyncio.sleep(0.05)
    assert not relay.asked
    relay.link.lift(hang)
    assert (await waiting).endswith(BODY)
    assert len(relay.asked) == 1


@pytest.mark.parametrize(("part", "asked", "arrives"), [("request", 0, 0), ("reply", 1, 0), ("body", 1, 5)])
async def test_what_hangs_is_closed_after_a_while(relay: Relay, part: str, asked: int, arrives: int) -> None:
    after = {"after_bytes": arrives} if arrives else {}
    await relay.set("hang", part=part, close_after=0.2, **after)
    began = time.monotonic()
    assert (await relay.ask()).partition(b"\r\n\r\n")[2] == BODY[:arrives]
    assert 0.2 <= time.monotonic() - began < 10
    assert len(relay.asked) == asked


async def test_what_is_lifted_before_its_time_is_not_closed(relay: Relay) -> None:
    hang = await relay.set("hang", part="reply", close_after=3600)
    waiting = asyncio.create_task(relay.ask())
    await until(lambda: bool(relay.asked))
    relay.link.lift(hang)
    assert (await waiting).endswith(BODY)


def test_bytes_that_still_arrive_are_a_bodys(relay: Relay) -> None:
    with pytest.raises(FaultRefused, match="hang: after_bytes: goes with part = body"):
        relay.plan("hang", part="reply", after_bytes=1)


async def test_a_reply_arrives_in_slices_and_whole(relay: Relay) -> None:
    sliced = await relay.set("sliced", bytes=100, variation=20, pause=0.02, seed=3)
    reader, writer = await relay.connect()
    writer.write(http_request("/", b"", "Connection: close"))
    await reader.readuntil(b"\r\n\r\n")
    parts = []
    while part := await reader.read(65536):
        parts.append(part)
    assert b"".join(parts) == BODY
    assert len(parts) > 5
    assert all(len(part) <= 120 for part in parts)
    assert sliced.hits == 1
    writer.close()


async def test_slices_larger_than_what_there_is_are_no_hit(relay: Relay) -> None:
    sliced = await relay.set("sliced", bytes=2 * len(BODY), direction="both")
    assert (await relay.ask()).endswith(BODY)
    assert sliced.hits == 0


async def test_slices_of_a_request(relay: Relay) -> None:
    sliced = await relay.set("sliced", bytes=3, direction="requests")
    assert (await relay.ask(http_request("/", b"0123456789", "Connection: close"))).endswith(BODY)
    assert relay.asked[0].endswith(b"0123456789")
    assert sliced.hits == 1


def test_slices_of_no_bytes_are_refused(relay: Relay) -> None:
    with pytest.raises(FaultRefused, match="sliced: variation: below 5, the bytes it goes around"):
        relay.plan("sliced", bytes=5, variation=5)


async def test_a_hang_that_comes_in_the_middle_of_a_reply_is_met_at_once(relay: Relay) -> None:
    relay.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"
    reader, writer = await relay.connect()
    writer.write(http_request())
    await reader.readuntil(b"01234")
    hang = await relay.set("hang")
    assert hang.hits == 1
    relay.reply = b"56789"
    writer.write(http_request("/more"))  # pipelined; our target answers with what is missing
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    relay.link.lift(hang)
    assert await reader.readexactly(5) == b"56789"
    writer.close()


async def test_a_close_is_learnt_late(relay: Relay) -> None:
    slow = await relay.set("slow_close", seconds=0.3)
    reader, writer = await relay.connect()
    began = time.monotonic()
    writer.write(http_request("/", b"", "Connection: close"))
    await reader.readuntil(BODY)
    assert await reader.read() == b""
    assert time.monotonic() - began >= 0.3
    assert slow.hits == 1
    relay.link.lift(slow)
    writer.close()
    assert await relay.ended.get() == "closed"


async def test_the_way_to_the_database_is_slow_too(raw_relay: Relay) -> None:
    raw_relay.reply = b"row"
    reader, writer = await raw_relay.connect()
    writer.write(b"query")
    assert await reader.readexactly(3) == b"row"
    latency = await raw_relay.set("latency", seconds=0.3)
    assert latency.hits == 1  # the connection that is open
    began = time.monotonic()
    writer.write(b"query")
    assert await reader.readexactly(3) == b"row"
    assert time.monotonic() - began >= 0.3
    writer.close()
