"""requests and requests-ntlm drive messages typed in by hand, in the order of public clients."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest
import requests
from requests_ntlm import HttpNtlmAuth

from tests.interop import wire_by_hand as wire
from tests.interop.conftest import PASSWORD, USER, RunningSite, eventually

HEADERS = {"User-Agent": wire.USER_AGENT, "Connection": "close"}


class Talk:
    """One computer's conversation with a management point."""

    def __init__(self, running: RunningSite, name: str) -> None:
        self.mp = running.mp
        self.http = requests.Session()
        self.http.trust_env = False
        self.computer = wire.Computer(name)

    def send(self, body: bytes, content_type: str, where: str = "ccm_system") -> requests.Response:
        return self.http.request(
            "CCM_POST",
            f"{self.mp}/{where}/request",
            data=body,
            headers={**HEADERS, "Content-Type": content_type},
            timeout=60,
        )

    def ask(self, endpoint: str, text: str, *, signed: bool = False, where: str = "ccm_system") -> str:
        answer = self.send(*wire.message(endpoint, text, self.computer, signed=signed), where=where)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == f'multipart/mixed; boundary="{wire.BOUNDARY}"'
        return wire.reply_text(answer.content)

    def register(self, where: str = "ccm_system") -> ElementTree.Element:
        reply = self.ask("MP_ClientRegistration", wire.registration(self.computer), where=where)
        self.computer.smsid = wire.smsid_of(reply)
        return ElementTree.fromstring(reply)

    def policies(self) -> dict[str, str]:
        reply = self.ask("MP_PolicyManager", wire.assignments_request(self.computer), signed=True)
        return wire.policy_urls(reply, self.mp)

    def get(self, url: str, **headers: str) -> requests.Response:
        return self.http.get(url, headers={**HEADERS, **headers}, timeout=60)


Talking = Callable[[str], Talk]


@pytest.fixture
def talk(running: RunningSite) -> Talking:
    return lambda name: Talk(running, name)


@pytest.mark.proves("interop.requests.registration")
def test_an_anonymous_registration_waits_for_approval(talk: Talking) -> None:
    client = talk("anonymous")
    response = client.register()
    assert response.tag == "ClientRegistrationResponse"
    assert response.get("ApprovalStatus") == "-1"  # what a public client calls "not approved"
    # The same certificate is the same client, though the message's id is the same too.
    smsid = client.computer.smsid
    client.register()
    assert client.computer.smsid == smsid


@pytest.mark.proves("interop.requests.registration_ntlm")
def test_a_registration_under_ntlm_is_approved(talk: Talking) -> None:
    client = talk("known")
    body, content_type = wire.message(
        "MP_ClientRegistration", wire.registration(client.computer), client.computer
    )
    assert client.send(body, content_type, "ccm_system_windowsauth").status_code == 401
    client.http.auth = HttpNtlmAuth(USER, PASSWORD)
    assert client.register("ccm_system_windowsauth").get("ApprovalStatus") == "2"


@pytest.mark.proves("interop.requests.registration_ntlm")
def test_a_wrong_password_is_refused(talk: Talking) -> None:
    client = talk("wrong")
    client.http.auth = HttpNtlmAuth(USER, "wrong")
    message = wire.message("MP_ClientRegistration", wire.registration(client.computer), client.computer)
    assert client.send(*message, "ccm_system_windowsauth").status_code == 401


def approved(client: Talk) -> Talk:
    client.http.auth = HttpNtlmAuth(USER, PASSWORD)
    client.register("ccm_system_windowsauth")
    client.http.auth = None
    return client


@pytest.mark.proves("interop.requests.policy")
def test_policies_are_assigned_and_their_bodies_fetched(talk: Talking) -> None:
    client = approved(talk("reader"))
    policies = eventually(client.policies, lambda found: {"NAAConfig", ""} <= set(found))
    plain = client.get(policies[""])
    assert plain.status_code == 200
    assert plain.content[:2] == b"\xff\xfe"
    assert "CCM_ClientAgentConfig" in plain.content.decode("utf-16")
    # A secret one: without a token a page of HTML, whatever the status; with it, encrypted for the client.
    url = policies["NAAConfig"]
    assert client.get(url).content.startswith(b"<HTML>")
    body = client.get(url, **client.computer.token()).content
    assert body[:1] == b"\x30"
    assert "1.2.840.113549.1.7.3" not in body.decode("latin-1")
    assert bytes.fromhex("06092A864886F70D010703") in body  # EnvelopedData
    # Somebody else's key does not open the door.
    thief = wire.Computer("thief", smsid=client.computer.smsid)
    assert client.get(url, **thief.token()).content[:1] != b"\x30"


@pytest.mark.proves("interop.requests.policy")
def test_an_unapproved_client_gets_no_secrets(talk: Talking) -> None:
    client = talk("unapproved")
    client.register()
    policies = eventually(client.policies, lambda found: "" in found)
    assert "" in policies  # the plain one
    assert "NAAConfig" not in policies


@pytest.mark.proves("interop.requests.policy")
def test_a_request_signed_by_another_key_is_refused(talk: Talking) -> None:
    client = talk("honest")
    client.register()
    thief = wire.Computer("honest", smsid=client.computer.smsid)
    request = wire.message("MP_PolicyManager", wire.assignments_request(thief), thief, signed=True)
    answer = client.send(*request)
    assert answer.status_code == 403
    assert answer.content


@pytest.mark.proves("interop.requests.location")
def test_content_is_located_and_fetched(talk: Talking, running: RunningSite) -> None:
    client = talk("locator")
    client.register()
    request = wire.content_location(running.package_id, "1", "PS1")
    reply = ElementTree.fromstring(client.ask("MP_LocationManager", request, signed=True))
    servers = [element.text for element in reply.iter("ServerRemoteName")]
    assert servers == ["dp1.lab.test"]
    url = next(element.attrib["Name"] for element in reply.iter("URL"))
    assert client.get(f"{url}/setup.exe").content == running.bytes_of("setup.exe")


@pytest.mark.proves("interop.requests.location")
def test_the_site_tells_its_version(talk: Talking) -> None:
    reply = ElementTree.fromstring(talk("x").ask("MP_LocationManager", wire.site_information("PS1")))
    site = next(reply.iter("Site"))
    assert site.get("SiteCode") == "PS1" or site.findtext("SiteCode") == "PS1"


@pytest.mark.proves("interop.requests.discovery")
def test_two_discovery_reports_in_one_message_are_answered(talk: Talking) -> None:
    client = talk("discovered")
    client.register()
    answer = client.send(*wire.discovery(client.computer))
    assert answer.status_code == 200
    assert answer.content, "an empty 200 means: send it again"
    assert answer.content.count(wire.BOUNDARY.encode()) == 3


@pytest.mark.proves("interop.requests.cut")
def test_half_a_message_is_refused(talk: Talking) -> None:
    client = talk("half")
    body, content_type = wire.message(
        "MP_ClientRegistration", wire.registration(client.computer), client.computer
    )
    answer = client.send(body[: len(body) // 2], content_type)
    assert (answer.status_code, bool(answer.content)) == (400, True)
