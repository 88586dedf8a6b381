"""Status messages: rows, insertion strings and attributes, and an advertisement's status."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from emulator.protocol.report_file import ReportKind
from emulator.protocol.status import StatusMessage
from emulator.site_database.database import SiteDatabase
from emulator.site_server.status_manager import EVENTS, STATE_NAMES, event_of, insertion_strings
from tests.site_server.reporting import NOON, SMSID, Desk, event, report_file

STATUS = ReportKind.STATUS
STARTED, SUCCEEDED = "SoftDistProgramStartedEvent", "SoftDistProgramCompletedSuccessfullyEvent"
FAILED = "SoftDistProgramErrorEvent"
OFFER = "SELECT LastStateName, LastStatusMessageID, LastExecutionResult, Runs FROM ClientOfferStatus"


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


async def test_a_message_with_its_strings_and_attributes(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(event(STARTED, 10005, DummyString2="two", UserContext="LAB\\u"))
    assert await desk.all(
        "SELECT MessageID, MessageType, Severity, ModuleName, MachineName, SiteCode, Time, EventClass"
        " FROM StatusMessages"
    ) == [(10005, 256, 0x40000000, "SMS Client", "PC01", "S01", NOON, STARTED)]
    strings = dict(await desk.all("SELECT InsStrIndex, InsStrValue FROM StatusMessageInsStrs"))
    assert {index: text for index, text in strings.items() if text} == {
        0: "S0120001",
        1: "two",
        3: "S0100001",
        4: "Install",
        9: "LAB\\u",
    }
    attributes = dict(await desk.all("SELECT AttributeID, AttributeValue FROM StatusMessageAttributes"))
    assert attributes == {400: "S0100001", 401: "S0120001", 408: SMSID}


async def test_an_offer_from_start_to_success(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(event(STARTED, 10005))
    assert await desk.all(OFFER) == [("Running", 10005, None, 0)]
    await desk.load(event(SUCCEEDED, 10008, minutes=5, ExitCode="0"))
    assert await desk.all(OFFER) == [("Succeeded", 10008, "0", 1)]


@pytest.mark.parametrize(
    ("message_id", "event_class"), [(10006, FAILED), (10008, SUCCEEDED), (10009, SUCCEEDED)]
)
async def test_every_completion_counts_and_only_once(desk: Desk, message_id: int, event_class: str) -> None:
    await desk.add_client()
    first, second = event(event_class, message_id), event(event_class, message_id, minutes=60)
    await desk.load(event(STARTED, 10005), first, first, second)
    await desk.load(first, second)
    [(_, _, _, runs)] = await desk.all(OFFER)
    assert runs == 2


async def test_a_late_message_counts_but_does_not_turn_the_state_back(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(event(SUCCEEDED, 10008, minutes=10), event(FAILED, 10006, minutes=1, ExitCode="5"))
    assert await desk.all(OFFER) == [("Succeeded", 10008, None, 2)]


async def test_a_public_client_that_names_the_class_only(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(event(FAILED, ExitCode="1603"))
    assert await desk.all(OFFER) == [("Failed", 10006, "1603", 1)]
    assert await desk.all("SELECT Severity FROM StatusMessages") == [(0xC0000000,)]


async def test_a_sender_that_is_no_resource_is_heard(desk: Desk) -> None:
    await desk.load(event(SUCCEEDED, 10008))
    assert await desk.all("SELECT MachineName FROM StatusMessages") == [(SMSID,)]
    assert await desk.all(OFFER) == []


async def test_an_event_nobody_knows_is_stored(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(event("SomethingElseEvent", 39997))
    assert await desk.all("SELECT MessageID, EventClass FROM StatusMessages") == [
        (39997, "SomethingElseEvent")
    ]
    assert await desk.all(OFFER) == []


async def test_bad_files_do_not_block(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(
        report_file(STATUS, "<Status/>"), event(STARTED, 70000), event(STARTED, -1, minutes=1), event(STARTED)
    )
    assert list(desk.aside(STATUS)) == ["corrupt"]
    assert await desk.receipts() == 1


async def test_messages_of_one_client_keep_their_order(desk: Desk) -> None:
    await desk.add_client()
    await desk.load(*(event(STARTED, 10005, minutes=minutes) for minutes in range(5)))
    times = await desk.all("SELECT Time FROM StatusMessages ORDER BY RecordID")
    assert times == [(NOON + timedelta(minutes=minutes),) for minutes in range(5)]


def test_the_table_of_events() -> None:
    numbers = [event.message_id for event in EVENTS.values()]
    assert len(set(numbers)) == len(numbers)
    assert {event.state for event in EVENTS.values()} <= set(STATE_NAMES)
    for name, known in EVENTS.items():
        assert event_of(StatusMessage(name, NOON)) == known


def test_a_number_says_more_than_a_class() -> None:
    assert event_of(StatusMessage(STARTED, NOON, {}, 10008)).state == 13


def test_strings_that_claim_one_place_are_both_kept() -> None:
    strings = insertion_strings({"PackageName": "S0100001", "DummyString4": "four"})
    assert (strings[3], strings[9]) == ("S0100001", "four")
