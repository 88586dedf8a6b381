from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.names import computer_of_nal, nal_path, new_guid, normalize_smsid

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"


def test_new_guid() -> None:
    rng = random.Random(1)
    guids = {new_guid(rng) for _ in range(50)}
    assert len(guids) == 50
    pattern = r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}"
    assert all(re.fullmatch(pattern, guid) for guid in guids)
    assert new_guid(random.Random(7)) == new_guid(random.Random(7))


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None, database=None)
def test_a_new_guid_makes_an_identity(seed: int) -> None:
    guid = new_guid(random.Random(seed))
    assert normalize_smsid(guid) == f"GUID:{guid}"


@pytest.mark.parametrize(
    "form",
    [
        SMSID,
        SMSID.lower(),
        SMSID[5:],
        SMSID[5:].lower(),
        f"{{{SMSID[5:]}}}",
        f"GUID:{{{SMSID[5:]}}}",
        f"guid:{{{SMSID[5:].lower()}}}",
        f"  {SMSID}\r\n",
    ],
)
def test_every_form_of_an_identity(form: str) -> None:
    assert normalize_smsid(form) == SMSID


@pytest.mark.parametrize(
    "text",
    ["", "GUID:", "x", SMSID[:-1], SMSID + "0", SMSID.replace("-", ""), SMSID.replace("6", "G"),
     "GUID:" + SMSID,
     SMSID + "\0", "\ud800", "\udcff" * 36, SMSID.replace("0", "\u0660"), "'; DROP TABLE clients"],
)  # fmt: skip
def test_no_identity(text: str) -> None:
    with pytest.raises(MalformedMessage):
        normalize_smsid(text)


def test_nal_paths() -> None:
    path = nal_path("DP1", "S01")
    assert path == '["Display=\\\\DP1\\"]MSWNET:["SMS_SITE=S01"]\\\\DP1\\'
    assert computer_of_nal(path) == "DP1"
    # a share behind the computer, as a branch distribution point has, is another kind of path
    for text in ("", "DP1", "\\\\DP1", path[:-1], path + "share", "\ud800", '["Display=\\\\DP1\\"]'):
        with pytest.raises(MalformedMessage):
            computer_of_nal(text)


@given(st.from_regex(r"[A-Za-z0-9.-]{1,30}", fullmatch=True))
@settings(max_examples=20, deadline=None, database=None)
def test_nal_round_trip(computer: str) -> None:
    assert computer_of_nal(nal_path(computer, "S01")) == computer
