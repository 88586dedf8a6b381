"""The envelope around a policy body with secrets: CMS EnvelopedData for one client's certificate.

RSAES-PKCS1-v1_5 with 3DES-CBC is what every client can open, newer sites use RSAES-OAEP with
AES-256-CBC (wire.md 7.3). Inside is the body as in the clear: its mark FF FE, UTF-16LE, and one
NUL, because some clients cut the first two bytes, and others search for the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from asn1crypto.algos import RSAESOAEPParams
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from emulator.errors import MalformedMessage
from emulator.protocol.signing import public_key
from emulator.protocol.xml import BOM

Encryption = Literal["3des", "aes256"]
_KEY_LENGTHS: dict[Encryption, int] = {"3des": 24, "aes256": 32}
_IV_LENGTHS: dict[Encryption, int] = {"3des": 8, "aes256": 16}
_OAEP = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


@dataclass(frozen=True, slots=True)
class ContentKey:
    """The random part of one envelope."""

    encryption: Encryption
    key: bytes
    iv: bytes

    @classmethod
    def from_random(cls, encryption: Encryption, random: bytes) -> ContentKey:
        """Key and IV from random bytes (at least 48 of them)."""
        key, iv = _KEY_LENGTHS[encryption], _IV_LENGTHS[encryption]
        if len(random) < key + iv:
            raise ValueError(f"{key + iv} random bytes are needed, not {len(random)}")
        return cls(encryption, random[:key], random[key : key + iv])


def seal(body: bytes, certificate: bytes, content_key: ContentKey) -> bytes:
    """The DER ContentInfo that only the holder of the certificate's key can open.

    ``body`` is UTF-16LE with its mark, as policy bodies are kept; the final NUL is added here.

    Raises:
        MalformedMessage: the certificate is none, or holds no RSA key.
    """
    return seal_bytes(_ended(body), certificate, content_key)


def seal_bytes(data: bytes, certificate: bytes, content_key: ContentKey) -> bytes:
    """As ``seal``, for any bytes, just as they are."""
    oaep = content_key.encryption == "aes256"
    way = _OAEP if oaep else rsa_padding.PKCS1v15()
    recipient = {
        "version": "v0",
        "rid": {"issuer_and_serial_number": _issuer_and_serial(certificate)},
        # OAEP's parameters are all its defaults: SHA-1, and MGF1 with it.
        "key_encryption_algorithm": {
            "algorithm": "rsaes_oaep" if oaep else "rsaes_pkcs1v15",
            "parameters": RSAESOAEPParams.load(b"\x30\x00") if oaep else core.Null(),
        },
        "encrypted_key": public_key(certificate).encrypt(content_key.key, way),
    }
    content = cms.ContentInfo(
        {
            "content_type": "enveloped_data",
            "content": {
                "version": "v0",
                "recipient_infos": [cms.RecipientInfo("ktri", recipient)],
                "encrypted_content_info": {
                    "content_type": "data",
                    "content_encryption_algorithm": {
                        "algorithm": "tripledes_3key" if not oaep else "aes256_cbc",
                        "parameters": core.OctetString(content_key.iv),
                    },
                    "encrypted_content": _encrypt(data, content_key),
                },
            },
        }
    )
    return bytes(content.dump())


def unseal(envelope: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The body in an envelope, without the NUL that ends it.

    Raises:
        MalformedMessage: it is no envelope, not made for this key, or damaged.
    """
    plain = unseal_bytes(envelope, key)
    return plain.removesuffix(b"\0\0") if len(plain) % 2 == 0 else plain


def unseal_bytes(envelope: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """As ``unseal``, whatever bytes are inside."""
    try:
        info = cms.ContentInfo.load(envelope, strict=True)
        if info["content_type"].native != "enveloped_data":
            raise MalformedMessage("the CMS content is not EnvelopedData", raw=envelope[:100])
        data = info["content"]
        recipient = data["recipient_infos"][0].chosen
        way = _way(recipient["key_encryption_algorithm"]["algorithm"].native)
        secret = key.decrypt(recipient["encrypted_key"].native, way)
        encrypted = data["encrypted_content_info"]
        algorithm = encrypted["content_encryption_algorithm"]
        encryption: Encryption = "3des" if "3key" in algorithm["algorithm"].native else "aes256"
        iv = algorithm["parameters"].native
        if len(secret) != _KEY_LENGTHS[encryption]:
            raise ValueError(f"a key of {len(secret)} bytes for {encryption}")
        return _decrypt(encrypted["encrypted_content"].native, ContentKey(encryption, secret, iv))
    except (ValueError, TypeError, KeyError, IndexError) as exc:
        raise MalformedMessage(f"the envelope cannot be opened ({exc})", raw=envelope[:100]) from exc


def is_envelope(body: bytes) -> bool:
    """Whether a downloaded body is one, rather than a text with its mark."""
    return body[:1] == b"\x30" and body[:2] != BOM


def _way(name: str) -> Any:
    if name == "rsaes_oaep":
        return _OAEP
    if name in ("rsaes_pkcs1v15", "rsa"):
        return rsa_padding.PKCS1v15()
    raise ValueError(f"key transport {name}")


def _ended(body: bytes) -> bytes:
    return (body if body[:2] == BOM else BOM + body) + b"\0\0"


@lru_cache(maxsize=1024)
def _issuer_and_serial(certificate: bytes) -> cms.IssuerAndSerialNumber:
    try:
        parsed = asn1_x509.Certificate.load(certificate, strict=True)
        return cms.IssuerAndSerialNumber(
            {"issuer": parsed.issuer, "serial_number": parsed["tbs_certificate"]["serial_number"].native}
        )
    except (ValueError, TypeError) as exc:
        raise MalformedMessage(f"no certificate ({exc})", raw=certificate[:100]) from exc


def _cipher(content_key: ContentKey) -> Cipher[modes.CBC]:
    if content_key.encryption == "3des":
        return Cipher(TripleDES(content_key.key), modes.CBC(content_key.iv))
    return Cipher(algorithms.AES(content_key.key), modes.CBC(content_key.iv))


def _encrypt(plain: bytes, content_key: ContentKey) -> bytes:
    padder = padding.PKCS7(_IV_LENGTHS[content_key.encryption] * 8).padder()
    encryptor = _cipher(content_key).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def _decrypt(hidden: bytes, content_key: ContentKey) -> bytes:
    unpadder = padding.PKCS7(_IV_LENGTHS[content_key.encryption] * 8).unpadder()
    decryptor = _cipher(content_key).decryptor()
    return unpadder.update(decryptor.update(hidden) + decryptor.finalize()) + unpadder.finalize()
