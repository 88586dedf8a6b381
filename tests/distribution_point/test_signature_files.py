"""Signature files: their names are found the way public clients find them."""

from __future__ import annotations

from typing import Any

import pytest

MARKER = b"\x18\x00\x00\x00\x01\x00\x01\x00\x01\x00\x01"


def names_in(signatures: bytes) -> list[str]:
    """As clients do it: 512 bytes before each marker begins a name that a NUL ends."""
    names, at = [], signatures.find(MARKER)
    while at >= 0:
        name, _, _ = signatures[at - 512 :].partition(b"\0")
        names.append(name.decode())
        at = signatures.find(MARKER, at + 1)
    return names


@pytest.mark.proves("signatures.names")
@pytest.mark.parametrize(
    "url",
    [
        "/SMS_DP_SMSSIG$/S0100001.1.tar",
        "/sms_dp_smssig$/s0100001.1.TAR",
        "/SMS_DP_SMSSIG$/S0100001.tar",
    ],
)
async def test_the_names_of_a_package(filled: Any, url: str) -> None:
    async with filled.http.get(url) as response:
        found = names_in(await response.read())
    assert found == [name.replace("/", "\\") for name in filled.FILES]


async def test_a_range_of_a_signature_file(filled: Any) -> None:
    async with filled.http.get("/SMS_DP_SMSSIG$/S0100001.1.tar") as response:
        whole, etag = await response.read(), response.headers["ETag"]
    headers = {"Range": "bytes=512-", "If-Range": etag}
    async with filled.http.get("/SMS_DP_SMSSIG$/S0100001.1.tar", headers=headers) as response:
        assert (response.status, await response.read()) == (206, whole[512:])


async def test_the_listing_of_signature_files(filled: Any) -> None:
    assert 'SMS_DP_SMSSIG$/S0100001.1.tar">S0100001.1.tar</a>' in await filled.text("/SMS_DP_SMSSIG$")


@pytest.mark.parametrize("name", ["S0100009.1.tar", "S0100001.1", "x", "S0100001.1.tar/x"])
async def test_what_has_no_signatures(filled: Any, name: str) -> None:
    async with filled.http.get(f"/SMS_DP_SMSSIG$/{name}") as response:
        assert response.status == 404
