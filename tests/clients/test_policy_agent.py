from __future__ import annotations

from dataclasses import replace

import pytest

from clients.client import SimulatedClient
from clients.policy_store import version_number
from emulator.errors import ManagementPointUnavailable
from emulator.protocol.policy import PolicyVersion
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


async def refresh(client: SimulatedClient) -> None:
    await client.policy_agent.request_assignments()
    await client.policy_agent.download_bodies()


async def test_assignments_then_bodies(client: SimulatedClient, site: FakeSite) -> None:
    policy, content = site.advertise()
    result = await client.policy_agent.request_assignments()
    assert [a.policy for a in result.assigned] == [policy]
    assert [a.policy for a in client.policy_agent.to_download] == [policy]
    assert client.policy_agent.policies == {}
    bodies = await client.policy_agent.download_bodies()
    assert bodies.downloaded == (policy,)
    held = client.policy_agent.policies[policy.policy_id]
    assert held.content == content
    assert client.policy_agent.to_download == []


async def test_policies_survive_a_kill_at_each_step(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient
) -> None:
    policy, content = site.advertise()
    await client.policy_agent.request_assignments()
    client.abandon()
    second = make_client()
    assert [a.policy for a in second.policy_agent.to_download] == [policy]
    await second.policy_agent.download_bodies()
    second.abandon()
    third = make_client()
    assert third.policy_agent.policies[policy.policy_id].content == content
    # and the cookie too: the third asks for changes only
    site.mp.changes = []
    result = await third.policy_agent.request_assignments()
    assert (result.reply_type, result.assigned, result.withdrawn) == ("OnUpdate", (), ())
    assert policy.policy_id in third.policy_agent.policies


@pytest.mark.parametrize("status", [500, 503, 403])
async def test_a_refusal_changes_nothing(client: SimulatedClient, site: FakeSite, status: int) -> None:
    policy, _ = site.advertise()
    await refresh(client)
    site.mp.failing["MP_PolicyManager"] = status
    with pytest.raises(ManagementPointUnavailable):
        await client.policy_agent.request_assignments()
    assert list(client.policy_agent.policies) == [policy.policy_id]


async def test_one_body_that_is_refused_does_not_keep_the_others(
    client: SimulatedClient, site: FakeSite
) -> None:
    lost, _ = site.advertise("S0120001")
    there, _ = site.advertise("S0120002")
    await client.policy_agent.request_assignments()
    assigned, body = site.mp.assigned.pop(lost.policy_id)
    result = await client.policy_agent.download_bodies()
    assert result.downloaded == (there,)
    assert [(policy, reason[:8]) for policy, reason in result.failed] == [(lost, "HTTP 404")]
    site.mp.assigned[lost.policy_id] = (assigned, body)
    assert (await client.policy_agent.download_bodies()).downloaded == (lost,)


async def test_a_body_that_is_not_the_assigned_one_is_refused(
    client: SimulatedClient, site: FakeSite
) -> None:
    policy, _ = site.advertise()
    await client.policy_agent.request_assignments()
    assigned, body = site.mp.assigned[policy.policy_id]
    site.mp.assigned[policy.policy_id] = (assigned, body.replace(b"I\x00n\x00s", b"O\x00n\x00s"))
    result = await client.policy_agent.download_bodies()
    assert "hashes to" in result.failed[0][1]
    assert client.policy_agent.policies == {}


async def test_an_assignment_that_was_wrong_is_asked_for_again(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient
) -> None:
    policy, content = site.advertise()
    right, body = site.mp.assigned[policy.policy_id]
    site.mp.assigned[policy.policy_id] = (replace(right, policy_hash="SHA256:" + "0" * 64), body)
    await client.policy_agent.request_assignments()
    site.mp.assigned[policy.policy_id], site.mp.changes = (right, body), []  # nothing has changed, it says
    assert (await client.policy_agent.download_bodies()).failed
    client.abandon()
    again = make_client()
    assert (await again.policy_agent.request_assignments()).reply_type == "Full"
    assert (await again.policy_agent.download_bodies()).downloaded == (policy,)
    assert again.policy_agent.policies[policy.policy_id].content == content


async def test_a_held_body_that_is_assigned_with_another_hash_is_asked_for_and_stays_meanwhile(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient
) -> None:
    policy, content = site.advertise()
    await refresh(client)
    right, body = site.mp.assigned[policy.policy_id]
    site.mp.assigned[policy.policy_id] = (replace(right, policy_hash="SHA256:" + "0" * 64), body)
    await client.policy_agent.request_assignments(full=True)
    client.abandon()
    again = make_client()
    await again.start()
    notes = [e.detail for e in again.history.events if e.what == "policy_in_force"]
    assert [note["announced"] for note in notes] == [right.policy_hash, ""]
    assert "hashes to" in (await again.policy_agent.download_bodies()).failed[0][1]
    assert again.policy_agent.policies[policy.policy_id].content == content
    site.mp.assigned[policy.policy_id], site.mp.changes = (right, body), []
    assert (await again.policy_agent.request_assignments()).reply_type == "Full"
    assert again.policy_agent.to_download == []


async def test_a_new_version_rules_when_its_body_is_here(client: SimulatedClient, site: FakeSite) -> None:
    site.advertise(policy_version="1.00", program_name="Old")
    await refresh(client)
    policy, _ = site.advertise(policy_version="2.00", program_name="New")
    await client.policy_agent.request_assignments()
    assert client.execution_manager.policies()["S0120001"].program_name == "Old"
    await client.policy_agent.download_bodies()
    assert client.execution_manager.policies()["S0120001"].program_name == "New"
    assert client.policy_agent.policies[policy.policy_id].policy == policy


async def test_an_older_version_is_never_taken(client: SimulatedClient, site: FakeSite) -> None:
    newer, _ = site.advertise(policy_version="10.00")
    await refresh(client)
    older, _ = site.advertise(policy_version="9.00")
    result = await client.policy_agent.request_assignments()
    assert result.ignored == (older,)
    assert client.policy_agent.policies[newer.policy_id].policy == newer
    assert client.policy_agent.to_download == []


async def test_withdrawn_by_a_full_reply(client: SimulatedClient, site: FakeSite) -> None:
    policy, _ = site.advertise()
    await refresh(client)
    site.mp.assigned.clear()
    result = await client.policy_agent.request_assignments()
    assert result.withdrawn == (policy,)
    assert client.policy_agent.policies == {}


async def test_withdrawn_by_an_update(client: SimulatedClient, site: FakeSite) -> None:
    gone, _ = site.advertise("S0120001")
    stays, _ = site.advertise("S0120002")
    await refresh(client)
    site.mp.changes = [replace(site.mp.assigned[gone.policy_id][0], action="delete")]
    result = await client.policy_agent.request_assignments()
    assert (result.reply_type, result.withdrawn) == ("OnUpdate", (gone,))
    assert list(client.policy_agent.policies) == [stays.policy_id]


async def test_an_unassigned_body_is_read_but_not_kept(client: SimulatedClient, site: FakeSite) -> None:
    policy, _ = site.advertise()
    body = await client.policy_agent.fetch_body(policy)
    assert body == site.mp.assigned[policy.policy_id][1]
    assert client.policy_agent.policies == {}
    with pytest.raises(ManagementPointUnavailable, match="HTTP 404"):
        await client.policy_agent.fetch_body(PolicyVersion(policy.policy_id, "7.00"))


def test_versions_are_numbers() -> None:
    assert version_number("10.00") > version_number("9.00") == version_number("9_00")


def told(client: SimulatedClient, *whats: str) -> list[tuple[str, str]]:
    """What the history says of this client's policies: the word and the version."""
    return [(e.what, str(e.detail["version"])) for e in client.history.events if e.what in whats]


async def test_the_history_tells_what_is_in_force_and_what_is_gone(
    client: SimulatedClient, site: FakeSite, make_client: MakeClient
) -> None:
    policy, content = site.advertise()
    await refresh(client)
    (note,) = [e.detail for e in client.history.events if e.what == "policy_in_force"]
    assert note["hash"] == note["announced"].upper()
    assert (note["policy_id"], note["advertisement_id"]) == (policy.policy_id, content.advertisement_id)
    assert (note["mandatory"], note["rerun"]) == (content.mandatory, content.rerun)
    # another life tells it again: the one before may have been killed before it could
    client.abandon()
    second = make_client()
    await second.start()
    site.mp.assigned.clear()
    await second.policy_agent.request_assignments(full=True)
    assert told(second, "policy_in_force", "policy_gone") == [
        ("policy_in_force", "1.00"),
        ("policy_in_force", "1.00"),
        ("policy_gone", "1.00"),
    ]
