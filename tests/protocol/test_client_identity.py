from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.client_identity import (
    ClientIdRequest,
    KnownClient,
    client_id_reply,
    hardware_id,
    known_client,
)

TEXT = st.from_regex(r"[A-Za-z0-9:.-]{1,30}", fullmatch=True)
REAL = (
    '<ClientIDReply><Identification Unknown="0" ItemKey="16777299" ServerName=""><Machine>'
    "<ClientID>GUID:1</ClientID><NetbiosName>PC1</NetbiosName></Machine></Identification>"
    '<PXEBootAction LastPXEAdvertisementID="" LastPXEAdvertisementTime="" OfferID="" OfferIDTime="" PkgID=""'
    ' PackageVersion="" PackagePath="" BootImageID="" Mandatory=""/></ClientIDReply>'
)
KNOWN = KnownClient(16777299, "GUID:1", "PC1")


@pytest.mark.proves("identity.client_id")
def test_the_reply_of_a_real_site() -> None:
    assert known_client(REAL) == KNOWN
    assert client_id_reply(KNOWN) == REAL


@given(st.builds(ClientIdRequest, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT))
@settings(max_examples=30, deadline=None, database=None)
def test_request_round_trip(request: ClientIdRequest) -> None:
    assert ClientIdRequest.from_xml(request.to_xml()) == request


def test_hardware_is_compared_without_punctuation() -> None:
    assert hardware_id("{00:15-5d}") == "00155D"
    assert hardware_id("nothing xyz") == ""


def test_damaged(damaged) -> None:
    good = ClientIdRequest("S", ("00:11",), "PC1").to_xml().encode()
    for read, data in [(ClientIdRequest.from_xml, good), (known_client, REAL.encode())]:
        for broken in damaged(data):
            with contextlib.suppress(MalformedMessage):
                read(broken.decode("utf-8", "surrogateescape"))
