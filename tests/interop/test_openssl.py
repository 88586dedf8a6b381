"""openssl: makes signatures that the site accepts, and checks and opens what the site makes."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from requests_ntlm import HttpNtlmAuth

from tests.interop import wire_by_hand as wire
from tests.interop.conftest import NAA_PASSWORD, NAA_USER, PASSWORD, USER, Run, RunningSite, eventually
from tests.interop.test_requests import Talk

NO_PROXY = {"http": "", "https": ""}


def get(url: str) -> bytes:
    return requests.get(url, timeout=60, proxies=NO_PROXY).content


def key_file(computer: wire.Computer, folder: Path) -> None:
    pem = computer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(pem)
    (folder / "cert.der").write_bytes(computer.certificate)


@pytest.mark.proves("interop.openssl.registration")
def test_a_registration_signed_by_openssl_is_accepted(running: RunningSite, run: Run, tmp_path: Path) -> None:
    client = Talk(running, "opensslpc")
    key_file(client.computer, tmp_path)
    (tmp_path / "data").write_bytes(wire.registration_data(client.computer).encode("utf-16-le"))
    signature = run("openssl", "dgst", "-sha256", "-sign", "key.pem", "data").stdout
    body = wire.registration(client.computer, signature[::-1].hex().upper())
    assert wire.smsid_of(client.ask("MP_ClientRegistration", body))
    # Not reversed it is no signature.
    wrong = wire.registration(client.computer, signature.hex().upper())
    assert client.send(*wire.message("MP_ClientRegistration", wrong, client.computer)).status_code == 403


def unlocked(blob: str, run: Run, folder: Path) -> str:
    """An obfuscated secret: the key comes from the blob itself, openssl does the 3DES."""
    data = bytes.fromhex(blob)
    digest = hashlib.sha1(data[4:44]).digest().ljust(64, b"\0")
    key = b"".join(hashlib.sha1(bytes(b ^ pad for b in digest)).digest() for pad in (0x36, 0x5C))[:24]
    (folder / "secret").write_bytes(data[64 : 64 + int.from_bytes(data[52:56], "little")])
    done = run("openssl", "enc", "-d", "-des-ede3-cbc", "-K", key.hex(), "-iv", "0" * 16, "-in", "secret")
    return done.stdout.decode("utf-16-le").rstrip("\0")


@pytest.mark.proves("interop.openssl.envelope", "interop.openssl.secret")
def test_the_network_access_account_is_decrypted(running: RunningSite, run: Run, tmp_path: Path) -> None:
    client = Talk(running, "decryptor")
    key_file(client.computer, tmp_path)
    run("openssl", "x509", "-inform", "DER", "-in", "cert.der", "-out", "cert.pem")
    client.http.auth = HttpNtlmAuth(USER, PASSWORD)
    client.register("ccm_system_windowsauth")
    policies = eventually(client.policies, lambda found: "NAAConfig" in found)
    body = client.get(policies["NAAConfig"], **client.computer.token()).content
    (tmp_path / "body.der").write_bytes(body)
    shown = run("openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", "body.der").stdout.decode()
    assert "des-ede3-cbc" in shown
    assert "rsaEncryption" in shown
    done = run(
        "openssl", "cms", "-decrypt", "-inform", "DER", "-in", "body.der", "-inkey", "key.pem",
        "-recip", "cert.pem", "-binary",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout[:2] == b"\xff\xfe"
    text = done.stdout[2:].decode("utf-16-le")
    assert text.endswith("\0")
    values = dict(
        re.findall(r'<property name="(NetworkAccess\w+)"[^>]*>\s*<value><!\[CDATA\[([^\]]*)\]\]>', text)
    )
    assert unlocked(values["NetworkAccessUsername"], run, tmp_path) == NAA_USER
    assert unlocked(values["NetworkAccessPassword"], run, tmp_path) == NAA_PASSWORD


@pytest.mark.proves("interop.openssl.site_certificate")
def test_the_site_signing_certificate_is_signed_by_its_key(
    running: RunningSite, run: Run, tmp_path: Path
) -> None:
    root = ElementTree.fromstring(get(f"{running.mp}/SMS_MP/.sms_aut?SITESIGNCERT"))
    element = next(root.iter("X509Certificate"))
    (tmp_path / "site.der").write_bytes(bytes.fromhex(element.text or ""))
    (tmp_path / "signature").write_bytes(bytes.fromhex(element.attrib["Signature"])[::-1])
    shown = run("openssl", "x509", "-inform", "DER", "-in", "site.der", "-noout", "-issuer", "-pubkey")
    assert b"Site Server" in shown.stdout
    (tmp_path / "key.pem").write_bytes(shown.stdout[shown.stdout.index(b"-----BEGIN") :])
    done = run("openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "site.der")
    assert done.stdout.strip() == b"Verified OK"


@pytest.mark.proves("interop.openssl.key_information")
def test_the_signature_in_the_key_information_is_a_signed_data(
    running: RunningSite, run: Run, tmp_path: Path
) -> None:
    root = ElementTree.fromstring(get(f"{running.mp}/SMS_MP/.sms_aut?MPKEYINFORMATION"))
    assert root.tag == "MPKEYINFORMATION"
    element = next(root.iter("TRUSTEDROOTKEY"))
    assert (element.text or "").strip().startswith("0602000000A400005253413100080000")
    (tmp_path / "signed.der").write_bytes(bytes.fromhex(element.attrib["Signature"]))
    # What is signed is the key itself; whose key it is stands among the site's own certificates.
    (tmp_path / "blob").write_bytes(bytes.fromhex((element.text or "").strip()))
    certificates = ElementTree.fromstring(get(f"{running.mp}/SMS_MP/.sms_aut?SMSTRC")).iter("Cert")
    pems = []
    for certificate in certificates:
        (tmp_path / "one.der").write_bytes(bytes.fromhex(certificate.text or ""))
        pems.append(run("openssl", "x509", "-inform", "DER", "-in", "one.der").stdout)
    (tmp_path / "certificates.pem").write_bytes(b"".join(pems))
    verify = (
        "openssl", "cms", "-verify", "-inform", "DER", "-in", "signed.der", "-binary", "-noverify",
        "-certfile", "certificates.pem", "-content",
    )  # fmt: skip
    done = run(*verify, "blob")
    assert done.returncode == 0, done.stderr.decode()
    (tmp_path / "other").write_bytes(b"something else")
    assert run(*verify, "other").returncode != 0
