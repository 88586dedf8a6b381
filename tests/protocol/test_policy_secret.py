"""The obfuscation of secrets, against vectors that other people's code has read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.policy_secret import derived_key, obfuscate, reveal

SEED = bytes(range(40))
VECTORS = {
    "3des": (
        "89130000000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627140000001200"
        "000018000000036600000000000098B38E1E8C159B3F6529D8CDF587C4497514AC7D9499F2BA"
    ),
    "aes256": (
        "8A130000000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021222324252627140000001200"
        "000020000000106600000000000014FE648EA923CB9F914B54DC160938A168FDD7A8CED8C8E2B8747A39992515D8"
    ),
}


def test_the_derived_key() -> None:
    expected = "3f91386f182f07f399b1234b4b210e244f63dd352574e4c966396b2e1f78a1fe686b3388b605d560"
    assert derived_key(SEED).hex() == expected


@pytest.mark.proves("secret.3des", "secret.aes256")
@pytest.mark.parametrize("kind", ["3des", "aes256"])
def test_the_vectors_both_ways(kind) -> None:
    assert obfuscate("P@ssw0rd", SEED, kind) == VECTORS[kind]
    assert reveal(VECTORS[kind]) == "P@ssw0rd"
    assert reveal(VECTORS[kind].lower()) == "P@ssw0rd"


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60),
    st.binary(min_size=40, max_size=40),
    st.sampled_from(["3des", "aes256"]),
)
@settings(max_examples=40, deadline=None, database=None)
def test_round_trip(text, seed, kind) -> None:
    assert reveal(obfuscate(text, seed, kind)).lstrip("\ufeff") == text.lstrip("\ufeff")


@pytest.mark.parametrize(
    "text",
    ["", "zz", "00", VECTORS["3des"][:-2], "77" + VECTORS["3des"][2:], VECTORS["3des"] + "00" * 8],
)
def test_no_secrets(text: str) -> None:
    with pytest.raises(MalformedMessage):
        reveal(text)


def test_damaged_ones_are_found_or_read(damaged) -> None:
    for blob in damaged(bytes.fromhex(VECTORS["aes256"])):
        try:
            reveal(blob.hex())
        except MalformedMessage:
            continue


def test_a_seed_has_its_length() -> None:
    with pytest.raises(ValueError, match="40 bytes"):
        obfuscate("x", b"short")
