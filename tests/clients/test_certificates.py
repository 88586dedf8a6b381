"""A client in native mode: whom it shows its certificate, whom it believes, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from emulator.clock import Clock
from emulator.enrolment import enrol
from emulator.errors import CannotStart, ManagementPointUnavailable
from emulator.pki import Pki
from emulator.protocol.client_certificates import CERTIFICATES, FILES
from emulator.protocol.signing import create_signer, is_self_signed
from emulator.settings import RoleAddress
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


def pki_of(folder: Path) -> Pki:
    return Pki(folder, Clock())


def role_at(host: str, name: str = "mp") -> RoleAddress:
    return RoleAddress(name=name, kind="management_point", computer="MP1", host=host, port=1)


@dataclass
class Native:
    """A site in native mode and one of its computers."""

    site: FakeSite
    pki: Pki
    client: SimulatedClient
    make_client: MakeClient


@pytest.fixture
async def native(site: FakeSite, make_client: MakeClient, tmp_path: Path) -> Native:
    pki = pki_of(tmp_path / "pki")
    await site.mp.stop()
    site.mp.tls = pki.server_context(role_at(site.mp.host))
    site.mp.sign = pki.site_signing().sign
    await site.mp.start()
    enrol(pki, "pc01.lab.test", tmp_path / "PC01" / CERTIFICATES)
    client = make_client()
    await client.register()
    return Native(site, pki, client, make_client)


@pytest.mark.proves("native.client_certificate")
async def test_the_issued_certificate_is_the_clients_everywhere(native: Native) -> None:
    mp, client = native.site.mp, native.client
    assert mp.certificates[client.smsid] == client.identity.signer.certificate
    assert not is_self_signed(client.identity.signer.certificate)
    assert mp.shown[0]["subject"] == ((("commonName", "pc01.lab.test"),),)
    assert not (client.settings.data / "identity.pem").exists()


@pytest.mark.proves("native.client_checks_mp")
@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_management_point_of_somebody_else_is_told_nothing(
    native: Native, tmp_path: Path, wrong: str
) -> None:
    mp = native.site.mp
    await mp.stop()
    if wrong == "authority":
        mp.tls = pki_of(tmp_path / "another").server_context(role_at(mp.host))
    else:
        mp.tls = native.pki.server_context(role_at("127.0.0.9", "mp of another computer"))
    await mp.start()
    mp.requests.clear()
    with pytest.raises(ManagementPointUnavailable, match="certificate verify failed"):
        await native.client.policy_agent.request_assignments()
    assert mp.requests == []


@pytest.mark.proves("native.client_verifies_policy")
async def test_policy_that_the_site_server_did_not_sign_is_refused(native: Native) -> None:
    good, _ = native.site.advertise("S0120001")
    forged, _ = native.site.advertise("S0120002")
    unsigned, _ = native.site.advertise("S0120003")

    def tamper(reply: str) -> str:
        begin = reply.index(f'<Reference PolicyAssignmentID="{unsigned.policy_id.replace("{0", "{A", 1)}"')
        end = reply.index("</Reference>", begin) + len("</Reference>")
        reply = reply[:begin] + reply[end:]
        return reply.replace(f"{forged.policy_id}.1_00]]", f"{forged.policy_id}.6_00]]")

    native.site.mp.tamper = tamper
    agent = native.client.policy_agent
    result = await agent.request_assignments()
    assert [a.policy for a in result.assigned] == [good]
    assert result.refused == (forged, unsigned)
    notes = [e.detail for e in native.client.history.events if e.what == "policy_refused"]
    assert ["not signed by the site server" in n["seen"] for n in notes] == [True, False]
    assert "is not signed" in notes[1]["seen"]

    # What was refused is asked for again: with the reply's cookie it would never be offered any more.
    native.site.mp.changes = []
    native.site.mp.tamper = lambda reply: reply
    result = await agent.request_assignments()
    assert (result.reply_type, result.refused) == ("Full", ())
    assert set(agent.assignments) == {good.policy_id, forged.policy_id, unsigned.policy_id}


async def test_a_forged_reply_takes_nothing_away(native: Native) -> None:
    kept, _ = native.site.advertise("S0120001")
    agent = native.client.policy_agent
    await agent.request_assignments()
    await agent.download_bodies()
    native.site.mp.sign = create_signer("Site Server", Clock().now()).sign
    native.site.advertise("S0120001", policy_version="2.00")
    assert (await agent.request_assignments(full=True)).withdrawn == ()
    native.site.mp.changes = [replace(native.site.mp.assigned[kept.policy_id][0], action="delete")]
    assert (await agent.request_assignments()).refused
    assert agent.policies[kept.policy_id].policy == kept
    assert agent.assignments[kept.policy_id].policy == kept


async def test_the_same_folder_is_the_same_client(native: Native) -> None:
    native.client.abandon()
    again = native.make_client()
    assert again.smsid == native.client.smsid
    assert (await again.register()).registered
    await again.policy_agent.request_assignments()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_wrong_is_named(
    native: Native, make_client: MakeClient, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "PC01" / CERTIFICATES / name
    file.write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(CannotStart, match=name):
        make_client()
    file.unlink()
    with pytest.raises(CannotStart, match=rf"{name}: cannot be read.*cmemu enrol"):
        make_client()
