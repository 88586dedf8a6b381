"""What a request says of itself: who asks, for what."""

from __future__ import annotations

from collections import deque

import pytest

from emulator.faults.exchange import Exchange, Piece
from emulator.faults.http_reading import RequestReader
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, encode_message
from tests.emulator.faults.relay import http_request

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"


def exchange_of(request: bytes) -> Exchange:
    waiting: deque[Exchange] = deque()
    RequestReader(waiting).feed(request)
    return waiting[0]


def message(endpoint: str = "MP_PolicyManager", host: str = "PC01", smsid: str = SMSID) -> bytes:
    body = encode_message(Message("{1}", smsid, host, endpoint, "<x/>", "2026-06-01T08:00:00Z"))
    return http_request("/ccm_system/request", body, f"Content-Type: {CONTENT_TYPE}", verb="CCM_POST")


def test_a_message_names_its_sender_and_its_endpoint() -> None:
    exchange = exchange_of(message())
    assert (exchange.smsid, exchange.host, exchange.endpoint) == (SMSID, "PC01", "MP_PolicyManager")
    assert exchange.decidable


def test_a_message_is_known_when_it_is_whole() -> None:
    assert not exchange_of(message()[:-10]).decidable


def test_a_message_that_cannot_be_understood_names_nobody() -> None:
    exchange = exchange_of(http_request("/ccm_system/request", b"junk", verb="CCM_POST"))
    assert (exchange.smsid, exchange.host, exchange.endpoint) == ("", "", "")


@pytest.mark.parametrize(
    ("path", "endpoint", "policy", "package"),
    [
        ("/SMS_MP/.sms_pol?%7BABC-1%7D.2_00", ".sms_pol", "{ABC-1}", ""),
        ("http://mp1/sms_mp/.SMS_POL?{abc-1}.2_00", ".sms_pol", "{ABC-1}", ""),
        ("/SMS_MP/.sms_pol?nothing", ".sms_pol", "", ""),
        ("/SMS_MP/.sms_aut?MPLIST", ".sms_aut", "", ""),
        ("/CCM_Incoming/%7B1%7D", "CCM_Incoming", "", ""),
        ("/SMS_DP_SMSPKG$/S0100001/setup.exe", "SMS_DP_SMSPKG$", "", "S0100001"),
        ("/NOCERT_SMS_DP_SMSPKGD$/s0100001.2/sccm?/a", "SMS_DP_SMSPKG$", "", "S0100001"),
        ("/SMSPKG/S0100001.1", "SMSPKG", "", "S0100001"),
        ("/AdminService/wmi/SMS_Site", "AdminService", "", ""),
        ("/inboxes/dataldr.box/1.mif", "inboxes", "", ""),
        ("/elsewhere", "", "", ""),
    ],
)
def test_a_path_names_a_place(path: str, endpoint: str, policy: str, package: str) -> None:
    exchange = exchange_of(http_request(path))
    assert (exchange.endpoint, exchange.policy_id, exchange.package_id) == (endpoint, policy, package)


def test_a_token_names_its_client() -> None:
    request = http_request(
        "/SMS_MP/.sms_pol?{A}.1_00", b"", f"ClientToken: {SMSID};2026;2", "clienttokensignature: AB"
    )
    assert exchange_of(request).smsid == SMSID
    half = http_request("/SMS_MP/.sms_pol?{A}.1_00", b"", f"ClientToken: {SMSID};2026;2")
    assert exchange_of(half).smsid == ""


def test_pieces_are_cut_without_loss() -> None:
    piece = Piece(Exchange(), "body", b"0123456789", last=True)
    parts = list(piece.sliced(4))
    assert [(p.data, p.last) for p in parts] == [(b"0123", False), (b"4567", False), (b"89", True)]
    assert [p.data for p in piece.split(-1)] == [b"", b"0123456789"]
