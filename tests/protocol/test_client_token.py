"""Tokens of downloads and boot media, in the three forms that clients send."""

from __future__ import annotations

import pytest

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.client_token import ClientToken

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
TOKEN = f"{SMSID};2026-06-01T08:00:00Z;2"
MEDIA = "{6d1a5f0c-3c2b-4e0b-9a54-0b7e6f1d2c3a}"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


@pytest.mark.proves("token.two_headers")
def test_the_examples_token(example) -> None:
    headers = {"ClientToken": TOKEN, "ClientTokenSignature": example.token_signature}
    token = ClientToken.from_headers(headers)
    assert token is not None
    assert token.client_id == SMSID
    token.verify(example.certificate)


@pytest.mark.proves("token.four_headers")
def test_four_headers(signer, another_signer) -> None:
    time = "2026-06-01T08:00:00"
    headers = {
        "CCMClientID": MEDIA,
        "CCMClientIDSignature": signer.sign(utf16(MEDIA + "\0")),
        "CCMClientTimestamp": time,
        "CCMClientTimestampSignature": signer.sign(utf16(time + "\0")).lower(),
    }
    token = ClientToken.from_headers(headers)
    assert token is not None
    assert token.client_id == SMSID
    token.verify(signer.certificate)
    with pytest.raises(BadSignature):
        token.verify(another_signer.certificate)
    for name in headers:
        if name != "CCMClientID":
            with pytest.raises(BadSignature):
                ClientToken.from_headers({key: value for key, value in headers.items() if key != name})


@pytest.mark.proves("token.property")
@pytest.mark.parametrize("end", ["\0", ""])
@pytest.mark.parametrize("client_id", [MEDIA, SMSID])
def test_the_property_of_boot_media(signer, client_id: str, end: str) -> None:
    text = f"{client_id};2026-06-01T08:00:00"
    signature = signer.sign(utf16(text + end))
    token = ClientToken.from_property(f"ClientToken:{text}\r\nClientTokenSignature:{signature}\r\n")
    assert token.client_id == SMSID
    token.verify(signer.certificate)


def test_no_token_is_none() -> None:
    assert ClientToken.from_headers({"User-Agent": "x"}) is None


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"ClientToken": TOKEN}, BadSignature),
        ({"ClientTokenSignature": "00"}, BadSignature),
        ({"ClientToken": SMSID, "ClientTokenSignature": "00"}, MalformedMessage),
        ({"ClientToken": "nobody;1;2", "ClientTokenSignature": "00"}, MalformedMessage),
    ],
)
def test_half_a_token(headers, error) -> None:
    with pytest.raises(error):
        ClientToken.from_headers(headers)
