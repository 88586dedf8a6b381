"""The MP File Dispatch Manager: what was accepted reaches the site server once, in its order."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from emulator.management_point.outboxes import OUTBOX
from emulator.protocol.message import encode_message
from emulator.protocol.report_file import ReportKind
from tests.management_point.reports import (
    REPORTS,
    hardware,
    status,
)


@pytest.mark.parametrize(("endpoint", "make", "kind"), REPORTS)
async def test_without_a_site_server_reports_wait_and_survive_a_restart(
    lab: Any, client: Any, endpoint: str, make: Any, kind: ReportKind
) -> None:
    await lab.inboxes.stop()
    assert (await client.post(endpoint, make(client.smsid))).status == 200
    assert len(lab.held(OUTBOX[kind])) == 1
    await lab.restart()
    assert len(lab.held(OUTBOX[kind])) == 1
    await lab.inboxes.start()
    await lab.until(lambda: lab.inboxes.taken)
    assert lab.inboxes.payloads() == [make(client.smsid)]
    await lab.until(lab.nothing_held)


async def test_the_order_of_acceptance_is_the_order_of_arrival(lab: Any, client: Any) -> None:
    await lab.inboxes.stop()
    sent = [hardware(client.smsid, str(n)) for n in range(20)]
    for n, text in enumerate(sent):
        assert (await client.post("MP_HinvEndpoint", text)).status == 200
        if n == 10:
            await lab.restart()
    await lab.inboxes.start()
    await lab.until(lambda: len(lab.inboxes.taken) == 20)
    assert lab.inboxes.payloads() == sent


async def test_a_backlog_travels_together_and_a_bad_file_stops_nobody(lab: Any, client: Any) -> None:
    await lab.inboxes.stop()
    sent = [hardware(client.smsid, f"number {n}") for n in range(30)]
    for text in sent:
        await client.post("MP_HinvEndpoint", text)
    lab.inboxes.unwanted = "number 17"
    await lab.inboxes.start()
    await lab.until(lambda: len(lab.inboxes.taken) == 29)
    assert lab.inboxes.payloads() == [text for text in sent if "number 17" not in text]
    assert len(list((lab.settings.data / "outboxes/hinv.box/rejected").glob("*.reason.txt"))) == 1
    lab.inboxes.unwanted, lab.inboxes.taken = "", []
    await lab.inboxes.stop()
    for text in sent:
        await client.post("MP_HinvEndpoint", text + " ")
    await lab.inboxes.start()
    await lab.until(lambda: len(lab.inboxes.taken) == 30)
    assert max(lab.inboxes.together) > 20


async def test_every_message_that_moves_is_told_of_by_its_id(
    lab: Any, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cmemu.mpfdm")
    await client.post("MP_HinvEndpoint", hardware(client.smsid, "alone"), message_id="{alone}")
    await lab.until(lambda: lab.nothing_held())
    await lab.inboxes.stop()
    for number in range(3):
        await client.post(
            "MP_HinvEndpoint", hardware(client.smsid, str(number)), message_id=f"{{together-{number}}}"
        )
    await lab.inboxes.start()
    await lab.until(lambda: lab.nothing_held())
    for message_id in "alone", *(f"together-{number}" for number in range(3)):
        await lab.until(lambda message_id=message_id: f"message_id='{{{message_id}}}'" in caplog.text)


@pytest.mark.proves("reports.repeated_ids")
async def test_the_same_message_twice_is_one_file(lab: Any, client: Any) -> None:
    await lab.inboxes.stop()
    body = encode_message(client.message("MP_HinvEndpoint", hardware(client.smsid)), client.signer)
    assert [(await lab.send(body)).status for _ in range(3)] == [200, 200, 200]
    assert len(lab.held("hinv.box")) == 1


@pytest.mark.proves("reports.repeated_ids")
async def test_another_payload_under_the_same_id_is_another_report(lab: Any, client: Any) -> None:
    # Public clients use one constant id for every message.
    await lab.inboxes.stop()
    for text in "one", "two":
        await client.post("MP_HinvEndpoint", hardware(client.smsid, text), message_id="{same}")
    assert len(lab.held("hinv.box")) == 2


@pytest.mark.parametrize("answer", [500, 503, 507, 401, 404])
async def test_an_inbox_that_cannot_take_a_file_gets_it_later(lab: Any, client: Any, answer: int) -> None:
    lab.inboxes.status = answer
    await client.post("MP_HinvEndpoint", hardware(client.smsid))
    await lab.until(lambda: lab.inboxes.tries > 2)
    assert len(lab.held("hinv.box")) == 1
    lab.inboxes.status = 201
    await lab.until(lambda: lab.inboxes.taken)
    await lab.until(lab.nothing_held)


async def test_a_rejected_file_is_set_aside_and_blocks_nobody(lab: Any, client: Any) -> None:
    lab.inboxes.status = 400
    await client.post("MP_HinvEndpoint", hardware(client.smsid, "bad"))
    rejected = lab.settings.data / "outboxes" / "hinv.box" / "rejected"
    await lab.until(lambda: rejected.exists() and len(list(rejected.iterdir())) == 2)
    lab.inboxes.status = 201
    await client.post("MP_HinvEndpoint", hardware(client.smsid, "good"))
    await lab.until(lambda: lab.inboxes.taken)
    assert lab.inboxes.payloads() == [hardware(client.smsid, "good")]
    reason = next(rejected.glob("*.reason.txt")).read_text()
    assert "as the test says" in reason


async def test_a_file_somebody_took_away_blocks_nobody(lab: Any, client: Any) -> None:
    await lab.inboxes.stop()
    for text in "one", "two":
        await client.post("MP_HinvEndpoint", hardware(client.smsid, text))
    lab.held("hinv.box")[0].unlink()
    await lab.inboxes.start()
    await lab.until(lambda: lab.inboxes.taken)
    assert lab.inboxes.payloads() == [hardware(client.smsid, "two")]


async def test_one_outbox_does_not_wait_for_another(
    lab: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = lab.role.file_dispatch_manager._inbox_source
    put = source.put

    async def without_hinv(kind: ReportKind, key: str, content: bytes) -> None:
        if kind is ReportKind.HARDWARE_INVENTORY:
            raise OSError("not this one")
        await put(kind, key, content)

    monkeypatch.setattr(source, "put", without_hinv)
    await client.post("MP_HinvEndpoint", hardware(client.smsid))
    await client.post("StatusReceiver", status(client.smsid))
    await lab.until(lambda: lab.inboxes.taken)
    assert lab.inboxes.payloads() == [status(client.smsid)]


async def test_a_large_report_travels(lab: Any, client: Any) -> None:
    await lab.restart(max_body=8_000_000)
    text = hardware(client.smsid, "x" * 3_000_000)
    assert (await client.post("MP_HinvEndpoint", text)).status == 200
    await lab.until(lambda: lab.inboxes.taken)
    assert lab.inboxes.payloads() == [text]


# -- the database is away ---------------------------------------------------------------
