"""Envelopes of secret policies, opened by ourselves and by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms

from emulator.errors import MalformedMessage
from emulator.protocol.envelope import ContentKey, is_envelope, seal, unseal
from emulator.protocol.signing import signer_to_pem
from emulator.protocol.xml import to_utf16

BODY = to_utf16('<?xml version="1.0" ?>\r\n<Policy PolicyID="{1}">\r\n</Policy>')
RANDOM = bytes(range(48))


def sealed(certificate: bytes, encryption) -> bytes:
    return seal(BODY, certificate, ContentKey.from_random(encryption, RANDOM))


@pytest.mark.proves("policy.cms_3des", "policy.cms_aes256")
@pytest.mark.parametrize("encryption", ["3des", "aes256"])
def test_its_holder_opens_it(signer, encryption) -> None:
    envelope = sealed(signer.certificate, encryption)
    assert is_envelope(envelope)
    assert not is_envelope(BODY)
    assert unseal(envelope, signer.key) == BODY


@pytest.mark.parametrize(
    ("encryption", "transport", "content", "iv"),
    [
        ("3des", "1.2.840.113549.1.1.1", "1.2.840.113549.3.7", RANDOM[24:32]),
        ("aes256", "1.2.840.113549.1.1.7", "2.16.840.1.101.3.4.1.42", RANDOM[32:48]),
    ],
)
def test_the_structure_that_clients_look_for(signer, encryption, transport, content, iv) -> None:
    data = cms.ContentInfo.load(sealed(signer.certificate, encryption))["content"]
    recipient = data["recipient_infos"][0].chosen
    assert recipient["key_encryption_algorithm"]["algorithm"].dotted == transport
    assert recipient["rid"].name == "issuer_and_serial_number"
    algorithm = data["encrypted_content_info"]["content_encryption_algorithm"]
    assert (algorithm["algorithm"].dotted, algorithm["parameters"].native) == (content, iv)


@pytest.mark.proves("policy.cms_openssl")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed")
@pytest.mark.parametrize("encryption", ["3des", "aes256"])
def test_openssl_opens_it(signer, tmp_path: Path, encryption) -> None:
    (tmp_path / "body").write_bytes(sealed(signer.certificate, encryption))
    (tmp_path / "key.pem").write_bytes(signer_to_pem(signer))
    command = "openssl cms -decrypt -inform DER -in body -inkey key.pem -recip key.pem -binary"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    # the mark first, one NUL at the end: some clients cut the former, none the latter.
    assert done.stdout == BODY + b"\0\0"


def test_nobody_else_opens_it(signer, another_signer) -> None:
    envelope = sealed(another_signer.certificate, "aes256")
    with pytest.raises(MalformedMessage):
        unseal(envelope, signer.key)


def test_damaged_envelopes(signer, damaged) -> None:
    for envelope in damaged(sealed(signer.certificate, "3des"), 60):
        try:
            unseal(envelope, signer.key)
        except MalformedMessage:
            continue


def test_a_certificate_that_is_none() -> None:
    with pytest.raises(MalformedMessage):
        sealed(b"no certificate", "3des")


def test_too_little_chance() -> None:
    with pytest.raises(ValueError, match="48 random bytes"):
        ContentKey.from_random("aes256", bytes(47))
