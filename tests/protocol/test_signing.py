from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.signing import (
    SHA1_OID,
    SHA256_OID,
    SMS_ENCRYPTION,
    SMS_SIGNING,
    Signer,
    create_signer,
    public_key,
    public_key_blob,
    signer_from_pem,
    signer_to_pem,
    thumbprint,
    verify,
    verify_any,
    verify_client_token,
)

TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
TOKEN = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A;2026-06-01T08:00:00Z;2"


def without_identifier(signer: Signer, data: bytes) -> str:
    """A signature whose padding holds the bare digest: CryptSignHash with its no-OID flag."""
    numbers = signer.key.private_numbers()
    size = signer.key.key_size // 8
    digest = hashlib.sha256(data).digest()
    block = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    value = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(size, "little").hex()


def test_the_worked_example(example) -> None:
    smsid = (example.smsid + "\0").encode("utf-16-le")
    assert len(smsid) == 84
    verify(example.certificate, smsid, example.client_id_signature)
    verify(example.certificate, example.compressed_payload, example.payload_signature)
    verify(example.certificate, example.registration_data.encode("utf-16-le"), example.registration_signature)
    verify_client_token(example.certificate, TOKEN, example.token_signature)
    assert len((TOKEN + "\0").encode("utf-16-le")) == 130


def test_public_key_blob(example, signer: Signer) -> None:
    assert public_key_blob(example.certificate) == example.public_key_blob
    assert len(public_key_blob(signer.certificate)) == 552


def test_thumbprint(example) -> None:
    assert len(example.certificate) == 747
    assert thumbprint(example.certificate) == hashlib.sha256(example.certificate).hexdigest().upper()


def test_the_certificate_is_like_the_agents(signer: Signer) -> None:
    certificate = x509.load_der_x509_certificate(signer.certificate)
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == "CN=ConfigMgr Client"
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.data_encipherment
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [SMS_ENCRYPTION, SMS_SIGNING]
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_signing_and_verifying(signer: Signer) -> None:
    signature = signer.sign(b"data")
    assert len(signature) == 512
    assert signature == signature.upper()
    for text in (signature, signature.lower(), f"\r\n {signature}\r\n"):
        verify(signer.certificate, b"data", text)
    with pytest.raises(BadSignature):
        verify(signer.certificate, b"Data", signature)
    # not reversed: as other crypto libraries would write it
    with pytest.raises(BadSignature):
        verify(signer.certificate, b"data", bytes.fromhex(signature)[::-1].hex())


def test_without_the_digests_identifier(signer: Signer) -> None:
    signature = without_identifier(signer, b"data")
    verify(signer.certificate, b"data", signature)
    with pytest.raises(BadSignature):
        verify(signer.certificate, b"other", signature)


def test_sha1_when_the_message_says_so(signer: Signer) -> None:
    signature = signer.key.sign(b"data", padding.PKCS1v15(), hashes.SHA1())[::-1].hex()
    verify(signer.certificate, b"data", signature, SHA1_OID)
    for algorithm in (SHA256_OID, "1.2.3", ""):
        with pytest.raises(BadSignature):
            verify(signer.certificate, b"data", signature, algorithm)


def test_one_of_several_texts(signer: Signer) -> None:
    verify_any(signer.certificate, (b"x", b"data"), signer.sign(b"data"))
    with pytest.raises(BadSignature):
        verify_any(signer.certificate, (), signer.sign(b"data"))


def test_another_key(signer: Signer, example) -> None:
    with pytest.raises(BadSignature):
        verify(example.certificate, b"data", signer.sign(b"data"))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "0",
        "00",
        "xyz",
        "é",
        "\udcff",
        "00" * 255,
        "00" * 256,
        "FF" * 256,
        "01" + "00" * 255,
        "00" * 257,
        "00\0",
    ],
    ids=lambda text: ascii(text[:6]) + str(len(text)),
)
def test_signatures_that_are_none(signer: Signer, signature: str) -> None:
    with pytest.raises(BadSignature):
        verify(signer.certificate, b"data", signature)
    with pytest.raises(BadSignature):
        verify_client_token(signer.certificate, TOKEN, signature)


def test_client_token(signer: Signer) -> None:
    token, signature = signer.client_token("GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A", TIME)
    assert token == TOKEN
    verify_client_token(signer.certificate, token, signature)
    # SharpSCCM signs without the trailing NUL.
    verify_client_token(signer.certificate, token, signer.sign(token.encode("utf-16-le")))
    for other in (token.lower(), token + " ", "", "\udcff"):
        with pytest.raises(BadSignature):
            verify_client_token(signer.certificate, other, signature)


def test_pem(signer: Signer) -> None:
    again = signer_from_pem(signer_to_pem(signer))
    assert again.certificate == signer.certificate
    verify(signer.certificate, b"data", again.sign(b"data"))


def test_pem_that_is_none(signer: Signer) -> None:
    pem = signer_to_pem(signer)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = pem[pem.index(b"-----BEGIN CERT") :]
    for text in (b"", b"x", pem[:-100], certificate, pem[: -len(certificate)], key + certificate, pem[::-1]):
        with pytest.raises(MalformedMessage):
            signer_from_pem(text)


def test_a_key_can_be_given(signer: Signer) -> None:
    other = create_signer("Site Server", TIME, signer.key)
    assert other.certificate != signer.certificate
    assert public_key_blob(other.certificate) == public_key_blob(signer.certificate)


@pytest.mark.parametrize(
    "certificate", [b"", b"x", b"\x30\x80", b"\x30\x82\xff\xff", b"\0" * 700, b"0" * 100_000]
)
def test_certificates_that_are_none(certificate: bytes) -> None:
    for use in (public_key, public_key_blob, lambda c: verify(c, b"data", "00")):
        with pytest.raises(MalformedMessage):
            use(certificate)


def test_a_certificate_with_another_kind_of_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(TIME)
        .not_valid_after(TIME.replace(year=2027))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    with pytest.raises(MalformedMessage):
        public_key(certificate)


@pytest.mark.filterwarnings(
    "ignore"
)  # cryptography warns of odd serial numbers before it refuses or takes them
def test_damaged_certificates(example, damaged) -> None:
    for certificate in damaged(example.certificate, 400):
        with contextlib.suppress(MalformedMessage, BadSignature):
            verify(certificate, example.compressed_payload, example.payload_signature)
