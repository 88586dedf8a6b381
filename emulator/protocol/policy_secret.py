"""Obfuscated secrets in policies: what makes a password unreadable to the eye, and to nobody else.

Everything that is needed to read one stands in it. It keeps a secret out of log files and
screens; what keeps it from strangers is the encrypted body around it (``envelope.py``).

Layout (wire.md 7.5), in bytes, integers little-endian: 0 the kind, 4 key seed (40), 44 the number
20, 48 length of the text, 52 length of what is encrypted, 56 ALG_ID, 60 zero, 64 the encrypted
text. CBC with an IV of zeros; the key is CryptDeriveKey's of the seed's SHA-1.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from emulator.errors import MalformedMessage
from emulator.protocol.xml import decode_utf16, encode_utf16, readable

Cipherment = Literal["3des", "aes256"]

SEED_LENGTH = 40  # bytes
MAX_SECRET = 4 * 1024 * 1024  # bytes of one secret; a task sequence is one too
_HEAD = struct.Struct("<I40s5I")
_DIGEST_LENGTH = 0x14  # length of a SHA-1 digest
_KINDS: dict[Cipherment, int] = {"3des": 0x1389, "aes256": 0x138A}
_ALG_IDS: dict[Cipherment, int] = {"3des": 0x6603, "aes256": 0x6610}
_KEY_LENGTHS: dict[Cipherment, int] = {"3des": 24, "aes256": 32}


def derived_key(seed: bytes, length: int = 40) -> bytes:
    """CryptDeriveKey for SHA-1: up to 40 bytes of key material from a seed."""
    digest = hashlib.sha1(seed, usedforsecurity=False).digest().ljust(64, b"\0")
    halves = (bytes(byte ^ pad for byte in digest) for pad in (0x36, 0x5C))
    return b"".join(hashlib.sha1(half, usedforsecurity=False).digest() for half in halves)[:length]


def obfuscate(text: str, seed: bytes, cipherment: Cipherment = "3des") -> str:
    """A text as a policy property with ``secret="1"`` carries it: upper-case hex.

    Raises:
        ValueError: the seed is not 40 bytes long.
        MalformedMessage: the text cannot be sent.
    """
    if len(seed) != SEED_LENGTH:
        raise ValueError(f"a key seed has {SEED_LENGTH} bytes, not {len(seed)}")
    plain = encode_utf16(text) + b"\0\0"
    cipher = _cipher(cipherment, seed)
    padder = padding.PKCS7(_block_bits(cipherment)).padder()
    encryptor = cipher.encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    head = _HEAD.pack(
        _KINDS[cipherment], seed, _DIGEST_LENGTH, len(plain), len(hidden), _ALG_IDS[cipherment], 0
    )
    return (head + hidden).hex().upper()


def reveal(secret: str) -> str:
    """The text of an obfuscated secret; hex in any letter case.

    Raises:
        MalformedMessage: it is none.
    """
    try:
        blob = binascii.unhexlify("".join(secret.split()))
    except (binascii.Error, ValueError) as exc:
        raise MalformedMessage("the secret is not hexadecimal", raw=readable(secret)) from exc
    if not 64 < len(blob) <= MAX_SECRET:
        raise MalformedMessage(f"a secret of {len(blob)} bytes", raw=blob[:100])
    kind, seed, _, plain_length, hidden_length, *_ = _HEAD.unpack(blob[:64])
    cipherment = next((name for name, number in _KINDS.items() if number == kind), None)
    if cipherment is None:
        raise MalformedMessage(f"the secret's kind is {kind:#x}; known are 0x1389 and 0x138a", raw=blob[:100])
    hidden = blob[64:]
    if hidden_length != len(hidden) or len(hidden) % (_block_bits(cipherment) // 8):
        raise MalformedMessage("the secret is cut short", raw=blob[:100])
    decryptor = _cipher(cipherment, seed).decryptor()
    unpadder = padding.PKCS7(_block_bits(cipherment)).unpadder()
    try:
        padded = decryptor.update(hidden) + decryptor.finalize()
        plain = unpadder.update(padded) + unpadder.finalize()
    except ValueError as exc:
        raise MalformedMessage("the secret was not made with its own seed", raw=blob[:100]) from exc
    if plain_length != len(plain):
        raise MalformedMessage("the secret's length is not what it says", raw=blob[:100])
    return decode_utf16(plain)


def _block_bits(cipherment: Cipherment) -> int:
    return 64 if cipherment == "3des" else 128


def _cipher(cipherment: Cipherment, seed: bytes) -> Cipher[modes.CBC]:
    key = derived_key(seed, _KEY_LENGTHS[cipherment])
    if cipherment == "3des":
        return Cipher(TripleDES(key), modes.CBC(bytes(8)))
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
