from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from clients.client import SimulatedClient
from emulator.protocol.schedule import ScheduleToken
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.clients.hand_clock import HandClock
from tests.clients.until import until

ADVERT = "S0120001"
START = datetime(2009, 6, 1, 8, tzinfo=UTC)


async def refresh(client: SimulatedClient) -> None:
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()


def events(client: SimulatedClient) -> list[str]:
    names = []
    for message in client.messaging.held():
        names += [part.split("<")[0] for part in message.body.split("<Type>")[1:]]
    return names


def results(client: SimulatedClient) -> list[str]:
    return [run.result for run in client.execution_manager.history.runs]


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START.timestamp())


@pytest.fixture
async def timed(make_client: MakeClient, clock: HandClock) -> SimulatedClient:
    """A registered client whose clock the test moves."""
    made = make_client(clock=clock)
    await made.start()
    await made.register()
    return made


async def test_a_program_runs_and_tells(client: SimulatedClient, site: FakeSite) -> None:
    site.package()
    site.advertise()
    await refresh(client)
    assert client.execution_manager.advertisements[ADVERT].state == "available"
    outcome = await client.execution_manager.run(ADVERT)
    assert (outcome.state, outcome.exit_code, outcome.succeeded) == ("ran", 0, True)
    assert client.execution_manager.advertisements[ADVERT].state == "succeeded"
    assert events(client) == ["SoftDistProgramStartedEvent", "SoftDistProgramCompletedSuccessfullyEvent"]


async def test_an_unknown_advertisement(client: SimulatedClient) -> None:
    assert (await client.execution_manager.run(ADVERT)).state == "unknown"


@pytest.mark.parametrize(
    ("code", "succeeded"), [(0, True), (1, False), (3010, True), (7, True), (8, True), (1603, False)]
)
async def test_exit_codes(client: SimulatedClient, site: FakeSite, code: int, succeeded: bool) -> None:
    folder = site.package()
    (folder / "program.toml").write_text(f"[program.Install]\nexit_code = {code}\n")
    site.advertise(success_codes=(7,), reboot_codes=(8,))
    await refresh(client)
    outcome = await client.execution_manager.run(ADVERT)
    assert (outcome.exit_code, outcome.succeeded) == (code, succeeded)
    assert ("SoftDistProgramErrorEvent" in events(client)) is not succeeded


async def test_a_manifest_that_is_none_fails_the_program(client: SimulatedClient, site: FakeSite) -> None:
    (site.package() / "program.toml").write_text("no manifest")
    site.advertise()
    await refresh(client)
    outcome = await client.execution_manager.run(ADVERT)
    assert (outcome.exit_code, outcome.succeeded) == (11, False)
    assert "program.toml" in outcome.detail


async def test_a_run_lasts_in_site_time(timed: SimulatedClient, site: FakeSite, clock: HandClock) -> None:
    (site.package() / "program.toml").write_text("[program.Install]\nduration_seconds = 600\n")
    site.advertise(active_time=START)
    await refresh(timed)
    await timed.execution_manager.run(ADVERT)
    assert clock.time() == START.timestamp() + 600


async def test_longer_than_its_maximum_is_a_failure(timed: SimulatedClient, site: FakeSite) -> None:
    (site.package() / "program.toml").write_text("[program.Install]\nduration_seconds = 600\n")
    site.advertise(active_time=START, max_duration_minutes=5)
    await refresh(timed)
    outcome = await timed.execution_manager.run(ADVERT)
    assert (outcome.exit_code, outcome.succeeded) == (None, False)


async def test_a_program_without_files_needs_nobody(client: SimulatedClient, site: FakeSite) -> None:
    site.advertise(contains_source_files=False)
    await refresh(client)
    await site.stop()
    assert (await client.execution_manager.run(ADVERT)).state == "ran"


@pytest.mark.parametrize("lost", ["mp", "dp", "location"])
async def test_waits_for_content_and_runs_once(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient, lost: str
) -> None:
    site.package()
    site.advertise()
    await refresh(client)
    # the role goes; somebody wants to run the program, twice
    if lost == "location":
        site.mp.locations = []
    else:
        await getattr(site, lost).stop()
    for _ in range(2):
        assert (await client.execution_manager.run(ADVERT)).state == "waits_for_content"
    assert events(client) == ["SoftDistWaitingContentEvent"]
    assert client.execution_manager.advertisements[ADVERT].state == "waits_for_content"
    client.abandon()
    # another life of the client; the role comes back
    again = make_client()
    await again.start()
    assert [w.advertisement_id for w in again.execution_manager.waiting] == [ADVERT]
    site.mp.locations = [site.dp.url]
    if lost != "location":
        await getattr(site, lost).start()
    assert [o.state for o in await again.execution_manager.retry_waiting()] == ["ran"]
    assert await again.execution_manager.retry_waiting() == []
    assert results(again) == ["succeeded"]


async def test_two_advertisements_of_one_program_that_waited_run_it_once(
    client: SimulatedClient, site: FakeSite
) -> None:
    site.package()
    for advertisement in (ADVERT, "S0120002"):
        site.advertise(advertisement, mandatory=True, rerun="NeverRerun")
    await refresh(client)
    # both want to run the program, and its files are nowhere
    await site.dp.stop()
    assert [o.state for o in await client.execution_manager.run_due()] == ["waits_for_content"] * 2
    # expect: once it has run for the one, it is not run again for the other
    await site.dp.start()
    outcomes = await client.execution_manager.retry_waiting()
    assert [o.state for o in outcomes] == ["ran", "will_not_rerun"]
    assert results(client) == ["succeeded"]
    assert client.execution_manager.waiting == []


async def test_wrong_content_never_runs(client: SimulatedClient, site: FakeSite) -> None:
    folder = site.package()
    site.advertise()
    (folder / "data" / "big file.bin").write_bytes(b"wrong")
    await refresh(client)
    outcome = await client.execution_manager.run(ADVERT)
    assert outcome.state == "waits_for_content"
    assert "hashes to" in outcome.detail
    assert results(client) == []


async def test_two_callers_one_run(client: SimulatedClient, site: FakeSite) -> None:
    site.package()
    site.advertise()
    await refresh(client)
    manager = client.execution_manager
    first, second = await asyncio.gather(manager.run(ADVERT), manager.run(ADVERT))
    assert first.run_id == second.run_id
    assert results(client) == ["succeeded"]


async def test_too_large_for_the_cache_is_told_and_not_retried(
    make_client: MakeClient, site: FakeSite
) -> None:
    client = make_client(cache_size_mb=0.01)
    await client.register()
    site.package()
    site.advertise()
    await refresh(client)
    assert (await client.execution_manager.run(ADVERT)).state == "cache_too_small"
    assert client.execution_manager.waiting == []
    (message,) = client.messaging.held()
    assert "10050" in message.body


async def test_a_full_cache_is_tried_again_so_many_times(
    make_client: MakeClient, site: FakeSite, clock: HandClock
) -> None:
    client = make_client(clock=clock, cache_size_mb=0.03, cache_full_retry_count=2)
    await client.register()
    site.package("S0100001")
    site.package("S0100002")
    site.advertise("S0120001", active_time=START)
    site.advertise("S0120002", package_id="S0100002", active_time=START)
    await refresh(client)
    manager = client.execution_manager
    assert (await manager.run("S0120001")).state == "ran"
    assert (await manager.run("S0120002")).state == "waits_for_content"
    assert await manager.retry_waiting(only_due=True) == []
    for expected in ("waits_for_content", "no_content"):
        clock.advance(4 * 3600)
        assert [o.state for o in await manager.retry_waiting(only_due=True)] == [expected]
    assert manager.waiting == []


async def test_times(timed: SimulatedClient, site: FakeSite, clock: HandClock) -> None:
    site.advertise(
        contains_source_files=False,
        active_time=START + timedelta(hours=1),
        expiration_time=START + timedelta(hours=2),
    )
    await refresh(timed)
    run = timed.execution_manager.run
    assert (await run(ADVERT)).state == "not_yet_active"
    clock.advance(3600)
    assert (await run(ADVERT)).state == "ran"
    clock.advance(3600)
    assert (await run(ADVERT)).state == "expired"


def once(time: datetime) -> str:
    return ScheduleToken(time).to_text()


async def test_a_mandatory_program_runs_at_its_time(
    timed: SimulatedClient, site: FakeSite, clock: HandClock
) -> None:
    site.advertise(
        contains_source_files=False,
        mandatory=True,
        active_time=START,
        assigned_schedule=once(START + timedelta(minutes=30)),
    )
    await refresh(timed)
    manager = timed.execution_manager
    assert await manager.run_due() == []
    assert manager.next_assigned_time() == START + timedelta(minutes=30)
    clock.advance(30 * 60)
    assert [o.state for o in await manager.run_due()] == ["ran"]
    assert await manager.run_due() == []
    assert manager.next_assigned_time() is None


async def test_a_missed_time_runs_as_soon_as_possible(
    timed: SimulatedClient, site: FakeSite, clock: HandClock
) -> None:
    site.advertise(
        contains_source_files=False, mandatory=True, active_time=START, assigned_schedule=once(START)
    )
    clock.advance(7 * 86400)
    await refresh(timed)
    assert [o.state for o in await timed.execution_manager.run_due()] == ["ran"]


async def test_optional_programs_never_run_by_themselves(timed: SimulatedClient, site: FakeSite) -> None:
    site.advertise(contains_source_files=False, active_time=START)
    await refresh(timed)
    assert await timed.execution_manager.run_due() == []


@pytest.mark.parametrize(
    ("rerun", "exit_code", "runs"),
    [
        ("RerunAlways", 0, 3),
        ("RerunAlways", 1, 3),
        ("NeverRerun", 0, 1),
        ("NeverRerun", 1, 1),
        ("RerunIfFail", 0, 1),
        ("RerunIfFail", 1, 3),
        ("RerunIfSuccess", 0, 3),
        ("RerunIfSuccess", 1, 1),
    ],
)
async def test_a_recurring_schedule_and_rerun_behaviour(
    timed: SimulatedClient, site: FakeSite, clock: HandClock, rerun: str, exit_code: int, runs: int
) -> None:
    (site.package() / "program.toml").write_text(f"[program.Install]\nexit_code = {exit_code}\n")
    hourly = ScheduleToken(START, timedelta(hours=1)).to_text()
    site.advertise(mandatory=True, active_time=START, assigned_schedule=hourly, rerun=rerun)
    await refresh(timed)
    for _ in range(3):
        await timed.execution_manager.run_due()
        assert await timed.execution_manager.run_due() == []  # once for each time
        clock.advance(3600)
    assert len(results(timed)) == runs


async def test_content_comes_before_the_time(
    timed: SimulatedClient, site: FakeSite, clock: HandClock
) -> None:
    site.package()
    site.advertise(mandatory=True, active_time=START, assigned_schedule=once(START + timedelta(hours=1)))
    await refresh(timed)
    await timed.execution_manager.prefetch()
    # everything goes away; the time comes
    await site.stop()
    clock.advance(3600)
    assert [o.state for o in await timed.execution_manager.run_due()] == ["ran"]


@pytest.mark.parametrize(("rerun", "again"), [("RerunIfFail", True), ("NeverRerun", False)])
async def test_killed_while_a_program_ran(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient, rerun: str, again: bool
) -> None:
    (site.package() / "program.toml").write_text("[program.Install]\nduration_seconds = 600\n")
    site.advertise(rerun=rerun)
    await refresh(client)
    running = asyncio.create_task(client.execution_manager.run(ADVERT))
    await until(lambda: "SoftDistProgramStartedEvent" in events(client))
    client.abandon()
    with pytest.raises(asyncio.CancelledError):
        await running
    # another life, a million times as fast
    second = make_client(speed=1_000_000.0)
    await second.start()
    assert results(second) == ["interrupted"]
    assert "SoftDistProgramUnexpectedRebootEvent" in events(second)
    await second.execution_manager.retry_waiting()
    assert results(second) == (["interrupted", "succeeded"] if again else ["interrupted"])
    second.abandon()
    third = make_client()
    await third.start()
    assert results(third) == results(second)
    assert events(third).count("SoftDistProgramUnexpectedRebootEvent") == 1


async def test_killed_after_the_end_was_recorded_tells_it_once(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*args: object) -> None:
        raise asyncio.CancelledError

    site.advertise(contains_source_files=False)
    await refresh(client)
    monkeypatch.setattr(client.execution_manager._wishes, "change", killed)
    with pytest.raises(asyncio.CancelledError):
        await client.execution_manager.run(ADVERT)
    client.abandon()
    second = make_client()
    await second.start()
    assert await second.execution_manager.retry_waiting() == []
    assert results(second) == ["succeeded"]
    assert events(second).count("SoftDistProgramCompletedSuccessfullyEvent") == 1


async def test_a_withdrawn_policy_ends_the_wait(client: SimulatedClient, site: FakeSite) -> None:
    site.package()
    site.advertise()
    await refresh(client)
    await site.dp.stop()
    await client.execution_manager.run(ADVERT)
    site.mp.assigned.clear()
    await client.policy_agent.request_assignments()
    assert [o.state for o in await client.execution_manager.retry_waiting()] == ["unknown"]
    assert client.execution_manager.waiting == []
