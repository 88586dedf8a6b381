from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from emulator.protocol.report_file import ReportKind
from emulator.spool import SpoolEntry
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


async def post(client: SimulatedClient, number: int) -> str:
    return await client.messaging.post("StatusReceiver", f"<Status n='{number}'/>", ReportKind.STATUS)


async def test_messages_leave_in_order(client: SimulatedClient, site: FakeSite) -> None:
    ids = [await post(client, n) for n in range(5)]
    assert client.messaging.pending == [ReportKind.STATUS] * 5
    result = await client.messaging.flush()
    assert (result.sent, result.held, result.last_error) == (5, 0, None)
    assert [m.message_id for m in site.mp.reports] == ids
    assert site.mp.reports[2].body_text == "<Status n='2'/>"


async def test_an_outage_keeps_the_queue_across_a_restart(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient
) -> None:
    await site.mp.stop()
    ids = [await post(client, n) for n in range(3)]
    result = await client.messaging.flush()
    assert (result.sent, result.held) == (0, 3)
    assert "ClientConnectorError" in (result.last_error or "")
    client.abandon()
    # back again: the same messages, in the same order
    await site.mp.start()
    again = make_client()
    await again.start()
    ids.append(await post(again, 3))
    assert (await again.messaging.flush()).sent == 4
    assert [m.message_id for m in site.mp.reports] == ids


@pytest.mark.parametrize("status", [403, 408, 429, 500, 503, 507])
async def test_what_may_be_taken_later_is_kept(client: SimulatedClient, site: FakeSite, status: int) -> None:
    site.mp.failing["StatusReceiver"] = status
    await post(client, 1)
    result = await client.messaging.flush()
    assert (result.held, result.set_aside) == (1, 0)
    assert f"HTTP {status}" in (result.last_error or "")


async def test_what_is_refused_for_good_is_set_aside_with_its_reason(
    client: SimulatedClient, site: FakeSite, tmp_path: Path
) -> None:
    site.mp.failing["StatusReceiver"] = 400
    await post(client, 1)
    await client.messaging.post("MP_RelayEndpoint", "<Report/>", ReportKind.STATE)
    result = await client.messaging.flush()
    assert (result.sent, result.held, result.set_aside) == (1, 0, 1)
    (reason,) = (tmp_path / "PC01" / "queue" / "refused").glob("*.reason.txt")
    assert "HTTP 400" in reason.read_text()


async def test_an_unknown_client_registers_again_and_sends(client: SimulatedClient, site: FakeSite) -> None:
    site.mp.certificates.clear()
    await post(client, 1)
    assert (await client.messaging.flush()).held == 1
    assert not client.registration.registered
    assert (await client.messaging.flush()).last_error == "the client is not registered"
    await client.register()
    assert (await client.messaging.flush()).sent == 1


async def test_killed_between_acknowledgement_and_removal_the_same_message_goes_again(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(entry: SpoolEntry) -> None:
        raise asyncio.CancelledError

    await post(client, 1)
    monkeypatch.setattr(client.messaging, "_acknowledged", killed)
    with pytest.raises(asyncio.CancelledError):
        await client.messaging.flush()
    client.abandon()
    again = make_client()
    await again.start()
    assert (await again.messaging.flush()).sent == 1
    first, second = site.mp.reports
    assert (first.message_id, first.body_text, first.raw_payload) == (
        second.message_id,
        second.body_text,
        second.raw_payload,
    )


async def test_a_silent_management_point_is_waited_for_only_so_long(
    make_client: MakeClient, site: FakeSite
) -> None:
    client = make_client()
    await client.register()
    given_up = asyncio.Event()

    async def never() -> None:
        await given_up.wait()

    site.mp.after_report = never
    await post(client, 1)
    patience, client.transport.patience = client.transport.patience, 0.1
    result = await client.messaging.flush()
    client.transport.patience = patience
    given_up.set()
    assert "Timeout" in (result.last_error or "")
    # It was received: whether it counts is for the site to say. The client sends it again.
    site.mp.after_report = None
    assert (await client.messaging.flush()).sent == 1
    assert len({m.message_id for m in site.mp.reports}) == 1


async def test_what_a_killed_client_kept_and_did_not_tell_of_is_told_at_its_next_start(
    client: SimulatedClient, make_client: MakeClient
) -> None:
    messaging = client.messaging
    message = messaging.compose("StatusReceiver", "<Status/>", ReportKind.STATUS)
    await messaging._spool.put(message.key, json.dumps(message.to_json()).encode())
    client.abandon()  # between the disk and the word
    again = make_client()
    await again.start()
    told = [e.detail["message_id"] for e in again.history.events if e.what == "queued"]
    assert told == [message.message_id]
