"""Keys and signatures as the Windows crypto API writes them.

RSASSA-PKCS1-v1_5, bytes reversed, in hex. Verifying is tolerant where public clients differ:
with and without the digest's object identifier, either letter case.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.x509.oid import NameOID, ObjectIdentifier

from emulator.errors import BadSignature, MalformedMessage

SHA256_OID = "1.2.840.113549.1.1.11"
SHA1_OID = "1.2.840.113549.1.1.5"
SHA1_OIDS = (SHA1_OID, "1.3.14.3.2.26")  # with RSA, and the digest alone
ANY_ALGORITHM = "*"  # where nobody says which: 2007 signed with SHA-1, later versions with SHA-256
SMS_ENCRYPTION = ObjectIdentifier("1.3.6.1.4.1.311.101.2")
SMS_SIGNING = ObjectIdentifier("1.3.6.1.4.1.311.101")
TOKEN_TYPE = "2"
MAX_CERTIFICATE = 16 * 1024  # bytes; read keys are remembered, so strangers must not fill memory


class Signer:
    """A private key and the certificate that goes with it."""

    def __init__(self, key: rsa.RSAPrivateKey, certificate: bytes) -> None:
        self.key = key
        self.certificate = certificate  # DER

    def sign(self, data: bytes) -> str:
        """SHA-256 signature, reversed, upper-case hex."""
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())[::-1].hex().upper()

    def client_token(self, smsid: str, time: datetime) -> tuple[str, str]:
        """The ``ClientToken`` header's value and its signature."""
        token = f"{smsid};{time:%Y-%m-%dT%H:%M:%SZ};{TOKEN_TYPE}"
        return token, self.sign(_text(token))


def create_signer(common_name: str, not_before: datetime, key: rsa.RSAPrivateKey | None = None) -> Signer:
    """A self-signed certificate like the agent's: SMS signing and encryption, twenty years."""
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = not_before.replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(days=1))
        .not_valid_after(start + timedelta(days=365 * 20))
        .add_extension(
            x509.KeyUsage(True, False, False, True, False, False, False, False, False), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage([SMS_ENCRYPTION, SMS_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signer(key, certificate.public_bytes(serialization.Encoding.DER))


def signer_to_pem(signer: Signer) -> bytes:
    """Key and certificate as one PEM text."""
    key = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = x509.load_der_x509_certificate(signer.certificate)
    return key + certificate.public_bytes(serialization.Encoding.PEM)


def signer_from_pem(pem: bytes) -> Signer:
    """What ``signer_to_pem`` wrote.

    Raises:
        MalformedMessage: the text holds no RSA key with a certificate.
    """
    try:
        # A key that we wrote ourselves: checking its primes again costs 45 ms a client.
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as exc:
        raise MalformedMessage(f"no key and certificate ({exc})") from exc
    if not isinstance(key, rsa.RSAPrivateKey):
        raise MalformedMessage("the key is no RSA key")
    return Signer(key, certificate.public_bytes(serialization.Encoding.DER))


def is_self_signed(certificate: bytes) -> bool:
    """Whether a DER certificate names itself as its issuer."""
    read = x509.load_der_x509_certificate(certificate)
    return read.issuer == read.subject


def thumbprint(certificate: bytes) -> str:
    """SHA-256 of the DER certificate, upper hex."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate)
    return digest.finalize().hex().upper()


@lru_cache(maxsize=4096)
def public_key(certificate: bytes) -> rsa.RSAPublicKey:
    """The RSA key of a DER certificate.

    Raises:
        MalformedMessage: no certificate, or one with another kind of key.
    """
    if len(certificate) > MAX_CERTIFICATE:
        raise MalformedMessage("the certificate is too large", raw=certificate[:100])
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise MalformedMessage(f"no certificate ({exc})", raw=certificate[:100]) from exc
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedMessage("the certificate holds no RSA key", raw=certificate[:100])
    return key


def public_key_blob(certificate: bytes) -> str:
    """The CryptoAPI PUBLICKEYBLOB in upper-case hex."""
    key = public_key(certificate)
    numbers = key.public_numbers()
    head = b"\x06\x02\x00\x00\x00\xa4\x00\x00RSA1"
    sizes = key.key_size.to_bytes(4, "little") + numbers.e.to_bytes(4, "little")
    return (head + sizes + numbers.n.to_bytes((key.key_size + 7) // 8, "little")).hex().upper()


def verify(certificate: bytes, data: bytes, signature: str, algorithm: str = SHA256_OID) -> None:
    """Check a reversed hex signature against a certificate.

    Raises:
        BadSignature: it does not match, or is no hex at all.
    """
    verify_any(certificate, (data,), signature, algorithm)


def verify_any(
    certificate: bytes, texts: Iterable[bytes], signature: str, algorithm: str = SHA256_OID
) -> None:
    """As ``verify``; one of several texts must match (with and without a trailing NUL, say)."""
    try:
        raw = binascii.unhexlify(signature.strip())[::-1]
    except (binascii.Error, ValueError) as exc:
        raise BadSignature("the signature is not hexadecimal") from exc
    key = public_key(certificate)
    kinds = _kinds(algorithm)
    for text in texts:
        if any(_matches(key, raw, text, kind) for kind in kinds):
            return
    raise BadSignature


def _kinds(algorithm: str) -> tuple[hashes.HashAlgorithm, ...]:
    if algorithm == ANY_ALGORITHM:
        return hashes.SHA256(), hashes.SHA1()
    return (hashes.SHA1(),) if algorithm in SHA1_OIDS else (hashes.SHA256(),)


@lru_cache(maxsize=4096)
def verify_identity(certificate: bytes, texts: tuple[bytes, ...], signature: str, algorithm: str) -> None:
    """As ``verify_any``, for what a client shows with every message: what matched once is remembered.

    Raises:
        BadSignature: and that is not remembered.
    """
    verify_any(certificate, texts, signature, algorithm)


def _matches(key: rsa.RSAPublicKey, signature: bytes, text: bytes, kind: hashes.HashAlgorithm) -> bool:
    value = hashlib.new(kind.name, text).digest()
    try:
        key.verify(signature, value, padding.PKCS1v15(), utils.Prehashed(kind))
    except InvalidSignature:
        pass
    else:
        return True
    # CryptSignHash without the object identifier: the padding holds the bare digest.
    try:
        return key.recover_data_from_signature(signature, padding.PKCS1v15(), None) == value
    except InvalidSignature:
        return False


def verify_client_token(certificate: bytes, token: str, signature: str) -> None:
    """Check the headers of a policy download; text with or without the trailing NUL.

    Raises:
        BadSignature: it does not match.
    """
    try:
        texts = (_text(token), token.encode("utf-16-le"))
    except UnicodeEncodeError as exc:  # header bytes that are no UTF-8 arrive as surrogates
        raise BadSignature("the token is no text") from exc
    verify_any(certificate, texts, signature)


def _text(value: str) -> bytes:
    return (value + "\0").encode("utf-16-le")
