"""Hardware inventory: reports in their turn, and resync when one is not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.errors import MalformedMessage
from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from emulator.site_database.inventory import LastReport
from emulator.site_server.inventory_data_loader import distinct
from emulator.site_server.inventory_version import InventoryVersion, violation
from tests.site_server.reporting import NOON, Desk, disk, header, inventory

HINV, SINV = ReportKind.HARDWARE_INVENTORY, ReportKind.SOFTWARE_INVENTORY


@pytest.fixture
async def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    desk = Desk(tmp_path, site_database)
    await desk.add_client()
    return desk


async def disks(desk: Desk) -> dict[str, tuple[int, int]]:
    """Key -> (free space, revision)."""
    rows = await desk.all("SELECT InstanceKey, Properties, RevisionID FROM Inventory_DATA")
    return {key: (int(json.loads(properties)["FreeSpace"]), revision) for key, properties, revision in rows}


async def status(desk: Desk) -> tuple[object, ...]:
    [row] = await desk.all(
        "SELECT LastReportVersion, ResyncRequested, LastSWReportVersion, SWResyncRequested"
        " FROM WorkstationStatus_DATA"
    )
    return row


# -- versions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "version", "folder"),
    [
        ("0.0", "1.0", None),
        ("0.0", "1.1", "MajorMismatch"),
        ("1.0", "1.1", None),
        ("1.9", "1.10", None),
        ("1.4", "2.0", None),
        ("1.4", "7.0", None),  # a full report tells everything, whatever was lost before it
        ("1.4", "1.6", "DeltaMismatch"),
        ("1.4", "1.4", "Outdated"),
        ("1.4", "1.2", "Outdated"),
        ("2.1", "2.0", "Outdated"),
        ("2.1", "1.0", "Outdated"),
        ("2.1", "1.5", "Outdated"),
        ("2.1", "3.1", "MajorMismatch"),
    ],
)
def test_what_follows_what(last: str, version: str, folder: str | None) -> None:
    report_type = "full" if version.endswith(".0") else "delta"
    found = violation(LastReport(last, NOON, False), header(version, report_type))
    assert (found[0] if found else None) == folder


def test_a_report_older_than_the_last_one_is_out_of_turn() -> None:
    last = LastReport("1.0", NOON + timedelta(seconds=1), False)
    for version, report_type in (("1.1", "Delta"), ("2.0", "Full")):
        found = violation(last, header(version, report_type))
        assert found is not None
        assert found[0] == "Outdated"


def test_the_answer_to_a_resync_is_taken_whatever_its_number() -> None:
    last = LastReport("4.2", NOON + timedelta(days=1), True)
    assert violation(last, header("1.0", "Full")) is None
    assert violation(last, header("4.4", "Delta")) is not None


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "a.b", "1.0.0", "-1.0", "1.٣", "1." + "9" * 12])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(MalformedMessage):
        InventoryVersion.parse(text)


# -- full and delta ------------------------------------------------------------------------


async def test_full_then_deltas(desk: Desk) -> None:
    await desk.load(
        inventory("1.0", [disk("C:", 10), disk("D:", 20)]),
        inventory("1.1", [disk("C:", 11, "Updated"), disk("E:", 30)], minutes=1),
        inventory("1.2", [disk("D:", 20, "Deleted")], minutes=2),
    )
    assert await disks(desk) == {"C:": (11, 2), "E:": (30, 1)}
    assert (await status(desk))[:2] == ("1.2", False)
    log = await desk.all("SELECT InventoryAction, ReportType, ReportVersion FROM InventoryLog ORDER BY LogID")
    assert log == [("Hardware", "Full", "1.0"), ("Hardware", "Delta", "1.1"), ("Hardware", "Delta", "1.2")]
    # What was replaced or deleted is history.
    history = await desk.all("SELECT InstanceKey FROM Inventory_HIST ORDER BY InstanceKey")
    assert history == [("C:",), ("D:",)]


async def test_a_full_report_replaces_everything(desk: Desk) -> None:
    await desk.load(
        inventory("1.0", [disk("C:", 10), disk("D:", 20)]), inventory("2.0", [disk("C:", 5)], minutes=1)
    )
    assert list(await disks(desk)) == ["C:"]


async def test_two_clients_count_for_themselves(desk: Desk) -> None:
    other = "GUID:AAAAAAAA-2222-4333-8444-555555555555"
    await desk.add_client(other, "PC02")
    await desk.load(
        inventory("1.0", [disk("C:", 1)]),
        inventory("1.0", [disk("C:", 2)], smsid=other),
        inventory("1.1", [disk("C:", 3, "Updated")], minutes=1),
    )
    assert await desk.all("SELECT count(*) FROM Inventory_DATA") == [(2,)]
    assert desk.aside(HINV) == {}


def test_instances_that_share_a_name_are_both_kept() -> None:
    twins = [disk("C:", 1), disk("C:", 2), disk("C:", 2), disk("C:", 3)]
    assert [i.key for i in distinct(twins)] == ["C:", "C:#2", "C:#3"]
    assert distinct([disk("C:", 1, "Deleted"), disk("C:", 2)]) == [disk("C:", 2)]


# -- resync --------------------------------------------------------------------------------


async def test_a_missed_delta_asks_for_everything_again(desk: Desk) -> None:
    late = inventory("1.2", [disk("C:", 12, "Updated")], minutes=2)
    await desk.load(inventory("1.0", [disk("C:", 10)]), late)
    assert list(desk.aside(HINV)) == ["BADMIFS/DeltaMismatch"]
    assert await disks(desk) == {"C:": (10, 1)}
    assert (await status(desk))[:2] == ("1.0", True)

    # The same report once more is known: nothing is asked for again.
    await desk.load(late)
    assert await desk.all(
        "SELECT MessageID, ModuleName, Component, MachineName, SiteCode FROM StatusMessages"
    ) == [(2722, "SMS Server", "SMS_INVENTORY_DATA_LOADER", "SITESRV", "S01")]
    strings = await desk.all("SELECT InsStrValue FROM StatusMessageInsStrs ORDER BY InsStrIndex")
    assert strings[:2] == [("PC01",), ("BADMIFS/DeltaMismatch",)]

    # The full report answers it, and counting goes on from there.
    await desk.load(
        inventory("2.0", [disk("C:", 13)], minutes=3),
        inventory("2.1", [disk("C:", 14, "Updated")], minutes=4),
    )
    assert (await status(desk))[:2] == ("2.1", False)
    assert (await disks(desk))["C:"][0] == 14


async def test_a_delta_without_its_full_report(desk: Desk) -> None:
    await desk.load(inventory("1.1", [disk("C:", 1)]))
    assert list(desk.aside(HINV)) == ["BADMIFS/MajorMismatch"]
    assert (await status(desk))[:2] == ("0.0", True)


async def test_a_change_to_an_instance_that_is_not_held(desk: Desk) -> None:
    await desk.load(
        inventory("1.0", [disk("C:", 10)]),
        inventory("1.1", [disk("C:", 11, "Updated"), disk("Z:", 1, "Updated")], minutes=1),
    )
    assert list(desk.aside(HINV)) == ["BADMIFS/NonExistentRow"]
    assert await disks(desk) == {"C:": (10, 1)}
    assert (await status(desk))[:2] == ("1.0", True)


async def test_a_client_set_up_anew_comes_back_with_one_resync(desk: Desk) -> None:
    await desk.load(
        inventory("3.0", [disk("C:", 1)]),
        inventory("1.0", [disk("C:", 2)], minutes=1),
        inventory("2.0", [disk("C:", 3)], minutes=2),
    )
    assert list(desk.aside(HINV)) == ["BADMIFS/Outdated"]
    assert (await status(desk))[:2] == ("2.0", False)


async def test_a_machine_the_site_does_not_know(desk: Desk) -> None:
    stranger = "GUID:BBBBBBBB-2222-4333-8444-555555555555"
    file = inventory("1.0", [disk("C:", 1)], smsid=stranger)
    await desk.load(file, inventory("1.0", [disk("C:", 2)]))
    assert list(desk.aside(HINV)) == ["BADMIFS/InvalidMachine"]
    assert await desk.receipts() == 1

    # It left no receipt: once the machine is known, the same report is welcome.
    await desk.add_client(stranger, "PC09")
    await desk.load(file)
    assert await desk.receipts() == 2
