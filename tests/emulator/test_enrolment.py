"""Enrolment puts into a client's folder what a site in native mode lets it in with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from emulator.clock import Clock, ClockSettings
from emulator.enrolment import enrol
from emulator.errors import CannotStart
from emulator.pki import Pki
from emulator.protocol.client_certificates import FILES, ClientCertificates


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_computer_gets_its_certificate_and_whom_to_trust(tmp_path: Path) -> None:
    pki, key = Pki(tmp_path / "pki", Clock()), rsa.generate_private_key(65537, 2048)
    enrol(pki, "pc01.lab.test", tmp_path / "client", key)
    read = ClientCertificates.from_files(files_of(tmp_path / "client"))
    own, authority = (x509.load_der_x509_certificate(c) for c in (read.client.certificate, read.authority))
    own.verify_directly_issued_by(authority)
    assert own.public_key() == key.public_key()
    assert own.subject.rfc4514_string() == "CN=pc01.lab.test"
    assert read.site_signing == pki.site_signing().certificate
    assert isinstance(authority.public_key(), ec.EllipticCurvePublicKey)
    assert {(tmp_path / "client" / name).stat().st_mode & 0o777 for name in FILES} == {0o600}


def test_who_has_a_certificate_keeps_it(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki", Clock())
    enrol(pki, "pc01.lab.test", tmp_path / "client")
    before = files_of(tmp_path / "client")
    enrol(pki, "pc01.lab.test", tmp_path / "client")
    assert files_of(tmp_path / "client") == before


def test_a_certificate_is_valid_now_whatever_time_the_site_has(tmp_path: Path) -> None:
    for name, site_time in ("ahead", 4_000_000_000.0), ("behind", 1_000_000_000.0):
        folder = tmp_path / name
        enrol(Pki(folder / "pki", Clock(ClockSettings(site_origin=site_time))), "pc01", folder)
        own = x509.load_der_x509_certificate(
            ClientCertificates.from_files(files_of(folder)).client.certificate
        )
        assert own.not_valid_before_utc < datetime.now(UTC) < own.not_valid_after_utc


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="file/client: the certificates cannot be written"):
        enrol(Pki(tmp_path / "pki", Clock()), "pc01", tmp_path / "file" / "client")
