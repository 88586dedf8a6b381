"""Searching, waiting and expecting in the journals of several roles."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.clock import Clock
from emulator.control.journal import Journal, NotInJournal, UnknownField
from emulator.message_journal import MessageJournal


class Roles:
    """A management point and a site server that write journals."""

    def __init__(self, folder: Path, limit: int = 1 << 20) -> None:
        folders = {name: folder / name for name in ("management_point", "site_server")}
        self.rings = {name: MessageJournal(f, Clock(), limit) for name, f in folders.items()}
        self.journal = Journal({**folders, "distribution_point": folder / "not there"})

    def came(self, role: str = "management_point", body: bytes = b"", **entry: Any) -> None:
        self.rings[role].record(("POST", "/", 200, 0), {**entry, "body": body}, time.perf_counter())


@pytest.fixture
def roles(tmp_path: Path) -> Roles:
    return Roles(tmp_path)


def test_a_search_finds_what_has_all_the_wanted_fields_in_order(roles: Roles) -> None:
    roles.came(client="PC01", kind="status", body=b"one")
    roles.came("site_server", kind="status", smsid="GUID:1")
    roles.came(client="pc01", kind="state")
    found = roles.journal.search(client="PC01")
    assert [e.kind for e in found] == ["status", "state"]
    assert [e.role for e in roles.journal.search(kind="status")] == ["management_point", "site_server"]
    assert roles.journal.count(kind="STATUS", role="site_server") == 1
    assert [e.kind for e in roles.journal.search(limit=1)] == ["state"]
    assert roles.journal.search(limit=0) == []
    assert roles.journal.body(found[0]) == b"one"
    assert roles.journal.count(after=found[0].real_time, client="PC01") == 1


def test_an_unknown_field_lists_the_valid_ones(roles: Roles) -> None:
    with pytest.raises(UnknownField, match="knows no 'computer'; valid: role, client"):
        roles.journal.search(computer="PC01")


async def test_waiting_ends_with_what_comes_meanwhile(roles: Roles) -> None:
    roles.came(client="PC01", kind="status")
    waiting = asyncio.create_task(roles.journal.wait(kind="status", times=2, within=30))
    await asyncio.sleep(0)
    assert not waiting.done()
    roles.came(client="PC02", kind="status")
    assert [e.client for e in await waiting] == ["PC01", "PC02"]


async def test_what_does_not_come_is_told_with_the_nearest_misses(roles: Roles) -> None:
    roles.came(client="PC08", kind="policy_assignments")
    roles.came(client="PC07", kind="discovery")
    roles.came(client="PC09", kind="hardware_inventory", status=403, reason="not registered")
    with pytest.raises(NotInJournal) as told:
        await roles.journal.expect(client="PC07", kind="hardware_inventory", within=0)
    lines = str(told.value).splitlines()
    assert lines[0] == "client PC07, kind hardware_inventory: none came within 0 s; closest:"
    assert lines[1].startswith("  hardware_inventory from PC09 at ")
    assert lines[1].endswith("to management_point: 403 (not registered)")
    assert lines[2].startswith("  discovery from PC07 at ")
    assert len(lines) == 3


async def test_with_nothing_like_it_that_is_said(roles: Roles) -> None:
    with pytest.raises(NotInJournal, match="nothing like it reached the site"):
        await roles.journal.expect(client="PC07", within=0)


async def test_more_than_expected_is_wrong_and_none_can_be_expected(roles: Roles) -> None:
    assert await roles.journal.expect(kind="state", times=0, within=0) == []
    roles.came(client="PC01", kind="state")
    roles.came(client="PC01", kind="state")
    assert len(await roles.journal.expect(kind="state", times=2)) == 2
    for times in (0, 1):
        with pytest.raises(NotInJournal, match=f"kind state: 2 came, {times} expected:"):
            await roles.journal.expect(kind="state", times=times)


async def test_the_ring_may_turn_while_somebody_waits(tmp_path: Path) -> None:
    roles = Roles(tmp_path, limit=8 * 1024)
    waiting = asyncio.create_task(roles.journal.wait(client="PC99", within=30))
    await asyncio.sleep(0)
    roles.came(client="PC01", body=b"old")
    old = roles.journal.search(client="PC01")[0]
    for number in range(100):
        roles.came(client=f"PC{number:02}", body=b"x" * 50)
    assert [e.client for e in await waiting] == ["PC99"]
    assert roles.journal.body(old) == b""
    assert 0 < roles.journal.count() < 100


def test_a_torn_line_is_left_out(roles: Roles, tmp_path: Path) -> None:
    roles.came(client="PC01")
    with (tmp_path / "management_point" / "00000001.jsonl").open("ab") as file:
        file.write(b'{"number":2,"rol\n')
    roles.came(client="PC02")
    assert [e.client for e in roles.journal.search()] == ["PC01", "PC02"]
