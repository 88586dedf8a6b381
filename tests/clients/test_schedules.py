"""Every schedule, retry and expiry of a client, at exactly its time."""

from __future__ import annotations

import pytest

from clients.settings import ClientSettings
from emulator.protocol.schedule import ScheduleToken
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.lapse import Lapse

HOUR, DAY = 3600.0, 86400.0
ADVERT = "S0120001"


async def test_each_schedule_has_its_interval(make_client: MakeClient, site: FakeSite, lapse: Lapse) -> None:
    client = make_client(lapse=lapse, schedules_enabled=True, metering_interval=2 * DAY)
    await client.start()
    await lapse.pass_time(8 * DAY)
    weekly = [0, 7 * 1440]
    for kind, minutes in (
        ("discovery", weekly),
        ("hardware_inventory", weekly),
        ("software_inventory", weekly),
        ("metering", [0, 2 * 1440, 4 * 1440, 6 * 1440, 8 * 1440]),
    ):
        assert lapse.minutes_of("collected", "note", kind=kind) == minutes, kind
        assert lapse.minutes_of("send_report", "ok", kind=kind) == minutes, kind
    assert lapse.minutes_of("request_policy_assignments") == [60 * hour for hour in range(8 * 24 + 1)]
    assert lapse.minutes_of("refresh_management_points") == [25 * 60 * n for n in range(8)]


async def test_what_is_not_sent_is_tried_again_after_1_5_30_and_60_minutes(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    client = make_client(lapse=lapse, schedules_enabled=True)
    await client.start()
    await lapse.pass_time(0)
    site.mp.failing["StatusReceiver"] = 503
    await client.status_agent.raise_event("SoftDistProgramStartedEvent", {}, 10005)
    await lapse.pass_time(4 * HOUR)
    assert lapse.minutes_of("send_report", kind="status") == [0, 1, 6, 36, 96, 156, 216]
    del site.mp.failing["StatusReceiver"]
    await lapse.pass_time(HOUR)
    assert lapse.minutes_of("send_report", "ok", kind="status") == [276]


async def test_what_an_earlier_life_left_is_sent_at_the_start_of_the_next(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    client = make_client(lapse=lapse, schedules_enabled=True)
    site.mp.failing["MP_HinvEndpoint"] = 503
    await client.start()
    await lapse.pass_time(30)
    await client.stop()
    del site.mp.failing["MP_HinvEndpoint"]
    again = make_client(lapse=lapse, schedules_enabled=True)
    await again.start()
    await lapse.pass_time(0)
    assert len(again.messaging) == 0
    assert lapse.minutes_of("collected", "note", kind="hardware_inventory") == [0]
    assert len(lapse.minutes_of("send_report", "ok", kind="hardware_inventory")) == 1


async def test_unsent_state_messages_go_every_15_minutes(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    client = make_client(lapse=lapse, schedules_enabled=True, retry_spec="600")
    await client.start()
    await lapse.pass_time(0)
    site.mp.failing["MP_RelayEndpoint"] = 503
    await client.state_agent.raise_state(800, client.smsid, 1)
    await lapse.pass_time(HOUR)
    assert lapse.minutes_of("send_report", kind="state") == [0, 15, 30, 45, 60]


async def test_a_message_past_its_timeout_is_deleted(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    client = make_client(lapse=lapse, schedules_enabled=True, outgoing_message_timeout=60)
    await client.start()
    await lapse.pass_time(0)
    site.mp.failing["StatusReceiver"] = 503
    await client.status_agent.raise_event("SoftDistProgramStartedEvent", {}, 10005)
    await lapse.pass_time(95 * 60)
    assert len(client.messaging) == 1
    await lapse.pass_time(60)
    assert lapse.minutes_of("message_expired", "note") == [96]
    assert len(client.messaging) == 0


async def test_policy_that_nobody_confirms_expires(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    policy, _ = site.advertise()
    client = make_client(lapse=lapse, schedules_enabled=True, policy_expires_days=3)
    await client.start()
    await lapse.pass_time(5 * DAY)  # a reply an hour: it never comes to that
    assert list(client.policy_agent.policies) == [policy.policy_id]
    site.mp.failing["MP_PolicyManager"] = 500
    await lapse.pass_time(3 * DAY - 60)
    assert list(client.policy_agent.policies) == [policy.policy_id]
    await client.stop()
    again = make_client(lapse=lapse, schedules_enabled=True, policy_expires_days=3)
    await again.start()  # a restart starts no new grace
    await lapse.pass_time(60)
    assert again.policy_agent.policies == {}
    assert lapse.minutes_of("policy_expired", "note") == [8 * 1440]
    # the management point answers again: everything is asked for, and comes back
    del site.mp.failing["MP_PolicyManager"]
    await lapse.pass_time(HOUR)
    assert list(again.policy_agent.policies) == [policy.policy_id]


def test_by_default_policy_never_expires_and_messages_wait_for_ever() -> None:
    fields = ClientSettings.model_fields
    assert fields["policy_expires_days"].default is None
    assert fields["outgoing_message_timeout"].default == 0
    assert fields["execution_retry_count"].default * fields["execution_retry_interval"].default == 7 * DAY


@pytest.mark.parametrize(
    ("exit_code", "count", "minutes", "state"),
    [
        (1618, 3, [0, 10, 20, 30], "failed"),  # another installation is under way: may pass
        (1603, 3, [0], "failed"),  # a fatal error is one tomorrow, too
        (1618, 1008, [0, 10, 20, 30, 40, 50, 60], "retrying"),
    ],
)
async def test_a_failure_that_may_pass_is_tried_again(
    make_client: MakeClient,
    site: FakeSite,
    lapse: Lapse,
    exit_code: int,
    count: int,
    minutes: list[float],
    state: str,
) -> None:
    (site.package() / "program.toml").write_text(f"[program.Install]\nexit_code = {exit_code}\n")
    once = ScheduleToken(lapse.clock.now()).to_text()
    site.advertise(mandatory=True, active_time=lapse.clock.now(), assigned_schedule=once)
    client = make_client(lapse=lapse, schedules_enabled=True, execution_retry_count=count)
    await client.start()
    await lapse.pass_time(HOUR)
    assert lapse.minutes_of("program") == minutes
    assert client.execution_manager.advertisements[ADVERT].state == state
    wanted = [run.wanted_id for run in client.execution_manager.history.runs]
    assert len(set(wanted)) == len(wanted)  # each try is a wish of its own
    errors = [body for body in site.mp.bodies("StatusReceiver") if "SoftDistProgramErrorEvent" in body]
    assert len(errors) == len(minutes)


async def test_a_user_who_saw_it_fail_starts_it_again_himself(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    (site.package() / "program.toml").write_text("[program.Install]\nexit_code = 1618\n")
    site.advertise(active_time=lapse.clock.now())
    client = make_client(lapse=lapse, schedules_enabled=True)
    await client.start()
    await lapse.pass_time(0)
    assert (await client.execution_manager.run(ADVERT)).exit_code == 1618
    await lapse.pass_time(HOUR)
    assert lapse.minutes_of("program") == [0]


async def test_content_that_is_nowhere_is_looked_for_every_5_minutes(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    site.package()
    site.advertise(mandatory=True, active_time=lapse.clock.now())
    locations, site.mp.locations = site.mp.locations, []
    client = make_client(lapse=lapse, schedules_enabled=True)
    await client.start()
    await lapse.pass_time(16 * 60)
    assert lapse.minutes_of("run_waiting_program") == [5, 10, 15]
    site.mp.locations = locations
    await lapse.pass_time(5 * 60)
    assert lapse.minutes_of("program", "ok") == [20]


async def test_a_client_whose_clock_is_wrong_does_everything_at_the_wrong_time(
    make_client: MakeClient, site: FakeSite, lapse: Lapse
) -> None:
    at_nine = ScheduleToken(lapse.clock.now().replace(hour=9)).to_text()  # an hour from now
    site.advertise(
        contains_source_files=False,
        mandatory=True,
        active_time=lapse.clock.now(),
        assigned_schedule=at_nine,
    )
    client = make_client(lapse=lapse, schedules_enabled=True)
    lapse.clock.set_skew("PC01", 20 * 60)
    await client.start()
    await lapse.pass_time(2 * HOUR)
    assert lapse.minutes_of("program") == [40]
    run = client.execution_manager.history.runs[0]
    assert run.started == lapse.clock.now().replace(hour=9).isoformat()
    # put back by a day: no schedule waits until it is that late again
    lapse.clock.set_skew("PC01", -DAY)
    await client.stop()
    again = make_client(lapse=lapse, schedules_enabled=True)
    await again.start()
    before = len(lapse.minutes_of("request_policy_assignments"))
    await lapse.pass_time(2 * HOUR)
    assert len(lapse.minutes_of("request_policy_assignments")) == before + 2
