"""Native mode: clients speak TLS and show a certificate, policy is signed, secrets go in clear inside."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from emulator.addresses import free_port
from emulator.protocol.message import decode_reply, encode_message
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.signed_policy import verify_assignments
from emulator.protocol.site_security import parse_mp_list
from emulator.security import Security

ONE = "{11111111-1111-4111-8111-111111111111}"
BODY = b"\xff\xfe" + "<Policy>\r\n</Policy>".encode("utf-16-le")
PATH = f"/SMS_MP/.sms_pol?{ONE}.1_00"
CONTENT = {"Content-Type": 'multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"'}


class Native:
    """A client's three ways to a management point in native mode."""

    def __init__(self, lab: Any, client: Any, folder: Path) -> None:
        self.lab, self.client = lab, client
        trust = ssl.create_default_context(cafile=lab.role.pki.authority_certificate())
        shown = ssl.create_default_context(cafile=lab.role.pki.authority_certificate())
        issued = lab.role.pki.client_certificate("pc01.lab.test", client.signer.key.public_key())
        key = client.signer.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = x509.load_der_x509_certificate(issued).public_bytes(serialization.Encoding.PEM)
        (folder / "client.pem").write_bytes(key + certificate)
        shown.load_cert_chain(folder / "client.pem")
        self.contexts = {"certificate": shown, "tls": trust}

    async def ask(
        self, way: str, path: str, body: bytes | None = None, verb: str = "", **headers: str
    ) -> tuple[int, Any, bytes]:
        role = self.lab.settings.role
        url = role.url if way == "http" else role.https_url
        verb = verb or ("GET" if body is None else "CCM_POST")
        context = self.contexts.get(way, True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(verb, url + path, data=body, headers=CONTENT | headers, ssl=context) as reply,
        ):
            return reply.status, reply.headers, await reply.read()

    def registration(self) -> bytes:
        signer = self.client.signer
        request = ClientRegistrationRequest(
            "", "4.00", "", signer.certificate, signer.certificate, "PC01", "pc01.lab.test"
        )
        return encode_message(
            self.client.message("MP_ClientRegistration", request.to_xml(signer), source_id="")
        )

    def policy_request(self) -> bytes:
        message = self.client.message("MP_PolicyManager", self.client.request().to_xml())
        return encode_message(message, self.client.signer)


@pytest.fixture
async def native(lab: Any, client: Any, tmp_path: Path) -> Native:
    role = lab.settings.role
    secure = role.model_copy(update={"https_port": free_port(role.host)})
    await lab.database.assign(client.smsid, ONE, body=BODY)
    lab.settings = lab.settings.model_copy(update={"role": secure, "roles": (secure,)})
    await lab.restart(security=Security(mode="native"))
    return Native(lab, client, tmp_path)


@pytest.mark.proves("native.http_403", "native.certificate")
async def test_who_may_send_messages(native: Native) -> None:
    for path, allowed in (
        ("/ccm_system/request", {"certificate"}),
        ("/ccm_system_altauth/request", {"certificate", "tls"}),
    ):
        for way in "http", "tls", "certificate":
            status, _, body = await native.ask(way, path, native.policy_request())
            assert status == (200 if way in allowed else 403), (path, way, body)
    assert (await native.ask("http", "/ccm_system_windowsauth/request", b"x"))[0] == 403


@pytest.mark.proves("native.sms_aut", "native.bits")
async def test_nothing_else_is_open_to_who_shows_no_certificate(native: Native) -> None:
    ping = {"BITS-Packet-Type": "Ping"}
    for way, status in ("http", 403), ("tls", 403), ("certificate", 200):
        assert (await native.ask(way, "/SMS_MP/.sms_aut?MPLIST"))[0] == status
        assert (await native.ask(way, "/CCM_Incoming/x", b"", "BITS_POST", **ping))[0] == status


@pytest.mark.proves("sms_aut.MPLIST2")
async def test_management_points_for_the_internet(native: Native) -> None:
    _, _, body = await native.ask("certificate", "/SMS_MP/.sms_aut?MPLIST2")
    (entry,) = parse_mp_list(body)
    assert (entry.name, entry.ssl_state) == ("MP1", 63)


@pytest.mark.proves("native.approval")
async def test_a_certificate_of_the_sites_authority_is_approval_enough(native: Native) -> None:
    for way, path, expected in (
        ("tls", "/ccm_system_altauth/request", -1),
        ("certificate", "/ccm_system/request", 3),
    ):
        await native.lab.database.run("DELETE FROM System_DISC")
        status, headers, body = await native.ask(way, path, native.registration())
        assert status == 200
        told = ClientRegistrationResponse.from_xml(decode_reply(headers["Content-Type"], body))
        assert told.approval_status == expected


@pytest.mark.proves("native.signed_policy")
async def test_assignments_are_signed_by_the_site_server(native: Native) -> None:
    _, headers, body = await native.ask("certificate", "/ccm_system/request", native.policy_request())
    text = decode_reply(headers["Content-Type"], body)
    assert "<PolicyAssignment " in text
    verify_assignments(text, native.lab.role.pki.site_signing().certificate)


@pytest.mark.proves("native.secret_in_clear")
async def test_secrets_travel_inside_tls_only(native: Native) -> None:
    await native.lab.database.run("UPDATE Policy SET PolicyFlags = 30")
    await native.lab.database.run("UPDATE ClientKeyData SET ApprovalStatus = 1")
    token, signature = native.client.signer.client_token(native.client.smsid, native.lab.role.clock.now())
    headers = {"ClientToken": token, "ClientTokenSignature": signature}
    for way in "tls", "certificate":
        assert (await native.ask(way, PATH, **headers))[::2] == (200, BODY)
        assert (await native.ask(way, PATH))[2].startswith(b"<HTML>")
    status, _, body = await native.ask("http", PATH, **headers)
    assert (status, body[:6]) == (403, b"<HTML>")
