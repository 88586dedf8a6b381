from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.metering import MeteringReport
from emulator.protocol.report import Report, ReportHeader
from emulator.protocol.report_file import INBOX, SUFFIX, ReportFile, ReportKind, kind_of
from emulator.protocol.state import StateMessage, StateReport

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
FILE = ReportFile(
    ReportKind.STATUS, "{5DD100CD-DF1D-45F5-BA17-A327F43465F8}", SMSID, "<Status/>\n\u00e9", TIME
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def test_every_kind_has_its_place() -> None:
    assert set(INBOX) == set(SUFFIX) == set(ReportKind)
    assert len(set(INBOX.values())) == len(set(SUFFIX.values())) == len(ReportKind)
    assert INBOX[ReportKind.HARDWARE_INVENTORY] == "auth/dataldr.box"
    assert SUFFIX[ReportKind.DISCOVERY] == ".DDR"


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("MP_HinvEndpoint", ReportKind.HARDWARE_INVENTORY),
        ("MP_SinvEndpoint", ReportKind.SOFTWARE_INVENTORY),
        ("MP_DdrEndpoint", ReportKind.DISCOVERY),
        ("MP_DDREndpoint", ReportKind.DISCOVERY),
        ("StatusReceiver", ReportKind.STATUS),
        ("MP_SinvCollFileEndpoint", ReportKind.FILE_COLLECTION),
    ],
)
def test_kinds_by_endpoint(endpoint: str, kind: ReportKind) -> None:
    assert kind_of(endpoint, "not even XML") is kind


def test_kinds_by_content(header: ReportHeader) -> None:
    state = StateReport(header, (StateMessage(1, TIME, 1, "", 1),)).to_xml()
    metering = MeteringReport(replace(header, report_content="Software Metering Data")).to_xml()
    assert kind_of("MP_RelayEndpoint", state) is ReportKind.STATE
    assert kind_of("mp_relayendpoint", metering) is ReportKind.METERING
    idmif = Report(replace(header, report_content="IDMIF")).to_xml()
    assert kind_of("MP_RelayEndpoint", idmif) is ReportKind.IDMIF
    by_action = Report(replace(header, action_id="{00000000-0000-0000-0000-000000000011}")).to_xml()
    assert kind_of("MP_RelayEndpoint", by_action) is ReportKind.IDMIF


@pytest.mark.proves("reports.relay.file_type")
def test_kinds_by_file_type(header: ReportHeader) -> None:
    state = StateReport(header, (StateMessage(1, TIME, 1, "", 1),)).to_xml()
    assert kind_of("MP_RelayEndpoint", state, "smx") is ReportKind.STATE
    assert kind_of("MP_RelayEndpoint", "<Report/>", "SWM") is ReportKind.METERING
    for text, file_type in ((state, "SWM"), (state, "IDMIF"), (state, "EXE"), ("<Report/>", "EXE")):
        with pytest.raises(MalformedMessage, match="SMX"):
            kind_of("MP_RelayEndpoint", text, file_type)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("MP_PolicyManager", "<a/>"),
        ("", "<a/>"),
        ("MP_RelayEndpoint", ""),
        ("MP_RelayEndpoint", "<Report/>"),
        ("MP_RelayEndpoint", "<!DOCTYPE a><Report><ReportBody><StateMessage/></ReportBody></Report>"),
    ],
)
def test_no_report(endpoint: str, text: str) -> None:
    with pytest.raises(MalformedMessage):
        kind_of(endpoint, text)


@given(st.sampled_from(ReportKind), TEXT, TEXT)
@settings(max_examples=40, deadline=None, database=None)
def test_round_trip(kind: ReportKind, message_id: str, payload: str) -> None:
    file = ReportFile(kind, message_id, SMSID, payload, TIME)
    data = file.to_bytes()
    assert ReportFile.from_bytes(data) == file
    assert data.split(b"\n", 1)[1] == payload.encode()


def test_identity() -> None:
    assert FILE.key == replace(FILE, received=TIME.replace(year=2027)).key
    assert len(FILE.key) == 40
    assert FILE.key.isalnum()
    for other in (
        replace(FILE, message_id="{2}"),
        replace(FILE, sender="GUID:00000000-0000-4000-8000-000000000000"),
        replace(FILE, payload="<Status/>"),
    ):
        assert other.key != FILE.key


HEAD, PAYLOAD = FILE.to_bytes().split(b"\n", 1)


def with_head(**change: object) -> bytes:
    return json.dumps({**json.loads(HEAD), **change}).encode() + b"\n" + PAYLOAD


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        HEAD,
        HEAD + b"\n",
        HEAD + b"\n" + PAYLOAD[:-1],
        HEAD + b"\n" + PAYLOAD + b" ",
        HEAD + b"\n\xff",
        HEAD[:-1] + b"\n" + PAYLOAD,
        b"{}\n",
        b"[]\n",
        b"null\n",
        b'"x"\n',
        b"1\n",
        b"\xff\n",
        b"[" * 200_000 + b"\n",
        b'{"kind":' * 50_000 + b"\n",
        b"9" * 10_000 + b"\n",
        with_head(kind="other"),
        with_head(kind=["status"]),
        with_head(sender="nobody"),
        with_head(sender=None),
        with_head(sender="\ud800"),
        with_head(received="now"),
        with_head(received=1),
        with_head(received="2026-06-01T08:00:00"),
        with_head(digest=None),
        with_head(digest="0" * 64),
    ],
    ids=lambda data: repr(data[:16]),
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        ReportFile.from_bytes(data)


def test_damaged(damaged) -> None:
    for data in damaged(FILE.to_bytes(), 300):
        with contextlib.suppress(MalformedMessage):
            ReportFile.from_bytes(data)
