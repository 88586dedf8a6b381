"""Which exchanges a fault touches: selectors, and counting among those that are selected."""

from __future__ import annotations

import pytest

from tests.clients.until import until
from tests.emulator.faults.relay import BODY, Relay, http_request
from tests.emulator.faults.test_exchange import SMSID, exchange_of, message

POLICY = "{7C9E6679-7425-40DE-944B-E07FC1F90AE7}"
TOKEN = (f"ClientToken: {SMSID};2026-06-01T08:00:00Z;2", "ClientTokenSignature: AB")
BODY_OF_POLICY = http_request(f"/SMS_MP/.sms_pol?{POLICY}.2_00", b"", *TOKEN)
CONTENT = http_request("/SMS_DP_SMSPKG$/S0100001/setup.exe")


@pytest.mark.parametrize(
    ("selectors", "request_", "fits"),
    [
        ({}, CONTENT, True),
        ({"client": "pc01"}, message(), True),
        ({"client": SMSID}, message(), True),
        ({"client": SMSID.lower()}, BODY_OF_POLICY, True),
        ({"client": "PC01"}, BODY_OF_POLICY, True),  # the site knows whose identity it is
        ({"client": "PC02"}, message(), False),
        ({"client": "PC02"}, BODY_OF_POLICY, False),
        ({"client": "PC01"}, CONTENT, False),  # nobody said who asks
        ({"endpoint": "mp_policymanager"}, message(), True),
        ({"endpoint": "MP_LocationManager"}, message(), False),
        ({"endpoint": ".sms_pol"}, BODY_OF_POLICY, True),
        ({"category": "NAAConfig"}, BODY_OF_POLICY, True),
        ({"category": "TaskSequence"}, BODY_OF_POLICY, False),
        ({"category": "NAAConfig"}, message(), False),
        ({"policy": POLICY.strip("{}").lower()}, BODY_OF_POLICY, True),
        ({"policy": "{OTHER}"}, BODY_OF_POLICY, False),
        ({"package": "S0100001"}, CONTENT, True),
        ({"package": "S0100002"}, CONTENT, False),
        ({"client": "PC01", "endpoint": "MP_PolicyManager"}, message(), True),
        ({"client": "PC01", "endpoint": "MP_DdrEndpoint"}, message(), False),
    ],
)
async def test_selectors(relay: Relay, selectors: dict[str, str], request_: bytes, fits: bool) -> None:
    relay.site.clients[SMSID] = "PC01"
    relay.site.policies[POLICY] = "NAAConfig"
    planned = relay.plan("reset", **selectors)
    assert (await planned.consider(exchange_of(request_)) is not None) is fits
    assert planned.hits == fits


async def hit(relay: Relay, count: int, **counting: float) -> list[int]:
    """Which of so many exchanges are hit, from 1."""
    planned = relay.plan("reset", **counting)
    return [n for n in range(1, count + 1) if await planned.consider(exchange_of(CONTENT))]


async def test_counting(relay: Relay) -> None:
    assert await hit(relay, 5) == [1, 2, 3, 4, 5]
    assert await hit(relay, 5, first=2) == [1, 2]
    assert await hit(relay, 5, skip=2) == [3, 4, 5]
    assert await hit(relay, 7, every=3) == [1, 4, 7]
    assert await hit(relay, 9, skip=1, every=3, first=2) == [2, 5]


async def test_chance_comes_from_the_seed(relay: Relay) -> None:
    async def chance(seed: int) -> list[int]:
        relay.numbers = 0
        return await hit(relay, 200, probability=0.3, seed=seed)

    assert await chance(1) == await chance(1) != await chance(2)
    assert 30 < len(await chance(1)) < 90


async def test_one_exchange_is_considered_once(relay: Relay) -> None:
    planned = relay.plan("reset")
    exchange = exchange_of(CONTENT)
    assert await planned.consider(exchange)
    assert await planned.consider(exchange) is None
    assert planned.hits == 1


async def test_on_one_connection_only_the_selected_request_is_touched(relay: Relay) -> None:
    flipped = await relay.set("flipped_bytes", package="S0100002")
    reader, writer = await relay.connect()
    for package, wrong in (("S0100001", False), ("S0100002", True), ("S0100001", False)):
        writer.write(http_request(f"/SMS_DP_SMSPKG$/{package}/setup.exe"))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readexactly(len(BODY)) != BODY) is wrong
    assert flipped.hits == 1
    writer.close()


async def test_who_waits_for_100_continue_is_not_kept_waiting(relay: Relay) -> None:
    await relay.set("latency", seconds=0.01, client="PC77")
    whole = message()
    end = whole.index(b"\r\n\r\n") + 4
    reader, writer = await relay.connect()
    writer.write(whole[: end - 2] + b"Expect: 100-continue\r\n\r\n")
    await until(lambda: any(e.forwarded for c in relay.link.connections for e in c.waiting))
    writer.write(whole[end:])
    assert (await reader.readuntil(BODY)).endswith(BODY)
    writer.close()
