"""A client's logs: which lines, in which file, whose and when."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients import component_logs
from clients.client import SimulatedClient
from clients.component_logs import COMPONENTS
from emulator.clock import Clock, ClockSettings
from emulator.cmtrace import logs_in
from emulator.errors import ConfigMgrError
from emulator.logs import heard_by
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.cmtrace_lines import read_log


def events(lines: Iterable[str]) -> list[str]:
    """Of each line's text what happened, without its details."""
    found = (re.match(r"event='([^']*)'", line) for line in lines)
    return [match[1] for match in found if match]


class Said(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name.rpartition(".")[2], record.levelno, record.getMessage()))


@contextmanager
def hearing() -> Iterator[Said]:
    said = Said()
    with heard_by(said):
        yield said


async def test_each_client_has_a_folder_and_its_own_clock_s_time(
    make_client: MakeClient, tmp_path: Path
) -> None:
    at = {"PC01": 1_243_843_200.0, "PC02": 1_275_379_200.0}  # June 1st, 2009 and 2010
    logs = tmp_path / "logs"
    with logs_in(logs):
        for name, origin in at.items():
            client = make_client(name, clock=Clock(ClockSettings(frozen=True, site_origin=origin)))
            await client.start()
            await client.register()
    assert sorted(path.name for path in logs.iterdir()) == ["PC01", "PC02"]
    for name, year in (("PC01", 2009), ("PC02", 2010)):
        assert {path.name for path in (logs / name).iterdir()} == {
            "CcmExec.log",
            "ClientIDManagerStartup.log",
        }
        lines = read_log(logs / name / "ClientIDManagerStartup.log")
        assert events(line["text"] for line in lines) == ["registering", "registered"]
        assert all(f"client='{name}'" in line["text"] for line in lines)
        assert {line["date"] for line in lines} == {f"06-01-{year}"}
        assert {line["component"] for line in lines} == {"ClientIDManagerStartup"}


async def test_a_report_is_followed_by_its_id_until_it_is_acknowledged(
    client: SimulatedClient, site: FakeSite
) -> None:
    site.mp.failing["MP_HinvEndpoint"] = 503
    with hearing() as said:
        message_id = await client.inventory_agent.collect_hardware()
        await client.messaging.flush()
        site.mp.failing.clear()
        await client.messaging.flush()
    its = [(component, level, text) for component, level, text in said.lines if message_id in text]
    assert [(component, level, *events([text])) for component, level, text in its] == [
        ("CcmMessaging", logging.INFO, "report queued"),
        ("InventoryAgent", logging.INFO, "report made"),
        ("CcmMessaging", logging.INFO, "sending report"),
        ("CcmMessaging", logging.WARNING, "report not acknowledged, it is kept"),
        ("CcmMessaging", logging.INFO, "sending report"),
        ("CcmMessaging", logging.INFO, "report acknowledged"),
    ]
    assert "HTTP 503" in its[3][2]


async def test_what_is_refused_for_good_is_said_to_be_set_aside(
    client: SimulatedClient, site: FakeSite
) -> None:
    site.mp.failing["MP_HinvEndpoint"] = 400
    with hearing() as said:
        message_id = await client.inventory_agent.collect_hardware()
        await client.messaging.flush()
    component, level, text = said.lines[-1]
    assert (component, level) == ("CcmMessaging", logging.ERROR)
    assert "it is set aside" in text
    assert message_id in text


async def test_who_is_not_registered_keeps_its_reports_and_says_why(make_client: MakeClient) -> None:
    client = make_client()
    await client.inventory_agent.collect_hardware()
    with hearing() as said:
        await client.messaging.flush()
    assert [component for component, _, _ in said.lines] == ["CcmMessaging"]
    assert "seen='the client is not registered'" in said.lines[0][2]


async def test_a_program_is_followed_from_its_policy_to_its_status_messages(
    make_client: MakeClient, client: SimulatedClient, site: FakeSite, tmp_path: Path
) -> None:
    site.package()
    policy, _ = site.advertise()
    site.dp.break_after = 7_000
    with logs_in(tmp_path / "logs"):
        await client.refresh_policy()
        waits = await client.execution_manager.run("S0120001")
        site.dp.break_after = None
        await client.execution_manager.retry_waiting()
    logs = {file.stem: read_log(file) for file in (tmp_path / "logs" / "PC01").iterdir()}
    told = {component: events(line["text"] for line in lines) for component, lines in logs.items()}
    assert waits.state == "waits_for_content"
    assert told["PolicyAgent"] == [
        "requesting assignments",
        "assignments received",
        "policy in force",
        "policy body downloaded",
    ]
    assert policy.to_query() in logs["PolicyAgent"][1]["text"]
    assert told["LocationServices"] == ["asking where content is", "content found"] * 2
    assert told["ContentTransferManager"] == [
        "download started",
        "download broke off, what arrived is kept",
        "download resumed",
        "content downloaded",
    ]
    assert "started_at_byte=7000" in logs["ContentTransferManager"][2]["text"]
    assert told["execmgr"] == ["program waits for its content", "program started", "program ended"]
    assert [re.findall(r"number=(\d+)", line["text"]) for line in logs["StatusAgent"]] == [
        ["10035"],  # it waits for content
        ["10005"],  # it started
        ["10008"],  # it ended well
    ]


async def test_nobody_answers_and_nothing_is_lost(client: SimulatedClient, site: FakeSite) -> None:
    site.mp.failing["*"] = 500
    with hearing() as said:
        with pytest.raises(ConfigMgrError):
            await client.policy_agent.request_assignments()
        with pytest.raises(ConfigMgrError):
            await client.location_services.content_locations("S0100001", 1)
        with pytest.raises(ConfigMgrError):
            await client.register(force=True)
    failed = [(name, *events([text])) for name, level, text in said.lines if level == logging.WARNING]
    assert failed == [
        ("PolicyAgent", "assignments not received, every policy is kept"),
        ("LocationServices", "content location not answered"),
        ("ClientIDManagerStartup", "registration not answered"),
    ]
    ids = [re.findall(r"message_id='(\{[^']*\})'", text) for _, _, text in said.lines]
    assert [ids[0], ids[2], ids[4]] == [ids[1], ids[3], ids[5]]  # asked, and what became of it
    assert all(ids)


async def test_a_killed_client_says_no_more(client: SimulatedClient, site: FakeSite) -> None:
    dying = asyncio.Event()

    async def kill() -> None:
        client.abandon()
        dying.set()

    site.mp.after_report = kill
    await client.inventory_agent.collect_hardware()
    with hearing() as said:
        await asyncio.gather(client.messaging.flush(), return_exceptions=True)
    assert dying.is_set()
    assert events(text for _, _, text in said.lines) == ["sending report"]


def test_every_word_of_the_table_is_one_that_clients_say() -> None:
    source = "".join(
        file.read_text(encoding="utf-8") for file in Path(component_logs.__file__).parent.glob("*.py")
    )
    said = set(re.findall(r'(?:operation|note|log_only)\(\s*"(\w+)"', source))
    assert {line.what for lines in COMPONENTS.values() for line in lines} <= said
