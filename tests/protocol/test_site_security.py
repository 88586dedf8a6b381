from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.signing import Signer
from emulator.protocol.site_security import MPListEntry, mp_list, mpcert, parse_mp_list, sitesigncert
from emulator.protocol.xml import parse_xml

# the reply of a real site
REAL = (
    '<MPList><MP Name="PS1-MP.LAB.TEST" FQDN="ps1-mp.lab.test"><Version>9106</Version>'
    '<Capabilities SchemaVersion="1.0"><Property Name="SSLState" Value="0"/></Capabilities></MP></MPList>'
)
ENTRY = MPListEntry("PS1-MP.LAB.TEST", "ps1-mp.lab.test", "9106")


def test_the_real_list() -> None:
    assert parse_mp_list(REAL) == parse_mp_list(REAL.encode()) == [ENTRY]
    assert mp_list([ENTRY]) == REAL
    assert parse_mp_list("<MPList/>") == []


def test_more_attributes_are_ignored() -> None:
    assert parse_mp_list(REAL.replace("<MP ", '<MP SiteCode="PS1" ')) == [ENTRY]


@given(
    st.lists(
        st.builds(
            MPListEntry,
            st.from_regex(r"[A-Z0-9.-]{1,20}", fullmatch=True),
            st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
            st.from_regex(r"[0-9]{1,5}", fullmatch=True),
        ),
        max_size=4,
    )
)
@settings(max_examples=25, deadline=None, database=None)
def test_round_trip(entries: list[MPListEntry]) -> None:
    assert parse_mp_list(mp_list(entries)) == entries


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        "<Other/>",
        "<html><body>Service Unavailable</body></html>",
        "<!DOCTYPE html><html/>",
        REAL.replace("9106", "&x;"),
        REAL[:-3],
    ],
)
def test_malformed(data: bytes | str) -> None:
    with pytest.raises(MalformedMessage):
        parse_mp_list(data)


def test_damaged(damaged) -> None:
    for data in damaged(REAL.encode(), 200):
        with contextlib.suppress(MalformedMessage):
            parse_mp_list(data)


def test_certificates(signer: Signer) -> None:
    certificate = signer.certificate
    element = parse_xml(sitesigncert(certificate, signer.sign(certificate)))[0]
    assert element.tag == "X509Certificate"
    assert element.get("EncodingType") == "hexBinary"
    assert element.get("Signature") == signer.sign(certificate)
    assert bytes.fromhex(element.text or "") == certificate
    for element in parse_xml(mpcert(certificate)):
        assert bytes.fromhex(element.text or "") == certificate
