from __future__ import annotations

import pytest

from emulator.errors import MalformedMessage
from emulator.protocol.client_affinity import client_affinity, users_of
from emulator.protocol.xml import parse_xml

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"


@pytest.mark.proves("sms_aut.GETCLIENTAFFINITY")
@pytest.mark.parametrize("users", [[], ["LAB\\ann"], ["LAB\\ann", "LAB\\b&b"]])
def test_users(users: list[str]) -> None:
    text = client_affinity(SMSID, users)
    assert users_of(text) == users
    assert parse_xml(text).get("SMSID") == SMSID


@pytest.mark.parametrize("text", ["", "<Other/>", "<ClientAffinity>"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        users_of(text)
