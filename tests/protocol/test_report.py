from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.discovery import discovered, heartbeat
from emulator.protocol.report import Instance, Report, ReportHeader

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,15}", fullmatch=True)
# The skeleton that four public clients share; its dates are CIM datetimes.
PUBLIC_HEARTBEAT = """<Report><ReportHeader><Identification><Machine><ClientInstalled>0</ClientInstalled>
<ClientType>1</ClientType><ClientID>GUID:6d1a5f0c-3c2b-4e0b-9a54-0b7e6f1d2c3a</ClientID>
<ClientVersion>5.00.8325.0000</ClientVersion><NetBIOSName>pc1</NetBIOSName><CodePage>850</CodePage>
<SystemDefaultLCID>2057</SystemDefaultLCID><Priority /></Machine></Identification><ReportDetails>
<ReportContent>Inventory Data</ReportContent><ReportType>Full</ReportType>
<Date>20261123012232.000000+000</Date>
<Version>1.0</Version><Format>1.1</Format></ReportDetails><InventoryAction ActionType="Predefined">
<InventoryActionID>{00000000-0000-0000-0000-000000000003}</InventoryActionID>
<Description>Discovery</Description>
<InventoryActionLastUpdateTime>20261123012232.000000+000</InventoryActionLastUpdateTime></InventoryAction>
</ReportHeader><ReportBody /></Report>"""
INSTANCES = st.lists(
    st.builds(
        Instance,
        class_name=NAMES,
        namespace=TEXT,
        content=st.sampled_from(["New", "Updated", "Deleted"]),
        properties=st.dictionaries(NAMES, TEXT, max_size=4),
        key=TEXT.filter(bool),
    ),
    max_size=3,
).map(tuple)


def test_a_public_clients_heartbeat() -> None:
    report = Report.from_xml(PUBLIC_HEARTBEAT)
    assert report.instances == ()
    assert report.header.client_id == "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
    assert report.header.date == datetime(2026, 11, 23, 1, 22, 32, tzinfo=UTC)
    assert report.header.action_id == "{00000000-0000-0000-0000-000000000003}"
    with pytest.raises(MalformedMessage):
        discovered(report)


@given(INSTANCES)
@settings(max_examples=30, deadline=None, database=None)
def test_round_trip(header: ReportHeader, instances: tuple[Instance, ...]) -> None:
    report = Report(header, instances)
    assert Report.from_xml(report.to_xml()) == report


def test_an_instance_without_our_key() -> None:
    instance = (
        '<Instance ParentClass="Win32_Service" Class="Win32_Service" Namespace="\\\\.\\root\\cimv2"'
        ' Content="new">'
        "<!-- note --><Win32_Service><Name>bits</Name><State>Running</State><Empty/>"
        "</Win32_Service></Instance>"
    )
    report = Report.from_xml(
        PUBLIC_HEARTBEAT.replace("<ReportBody />", f"<ReportBody>{instance}</ReportBody>")
    )
    properties = {"Name": "bits", "State": "Running", "Empty": ""}
    expected = Instance("Win32_Service", "\\\\.\\root\\cimv2", "New", properties, "bits")
    assert report.instances == (expected,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Report>", "Other>"),
        ("ReportHeader>", "Header>"),
        ("GUID:6d1a5f0c", "GUID:x"),
        ("<ClientID>", "<ClientID/><Other>"),
        ("20261123012232.000000+000", ""),
        ("20261123012232.000000+000", "today"),
        ("<ReportBody />", "<ReportBody><Instance/></ReportBody>"),
        ("<ReportBody />", '<ReportBody><Instance Class="x" Content="Old"/></ReportBody>'),
        ("<ReportBody />", "<ReportBody>&x;</ReportBody>"),
        ("<ReportBody />", "<a>" * 100 + "</a>" * 100),
        ("<ReportBody />", "\0"),
        ("<ReportBody />", "\udcff"),
    ],
)
def test_malformed(old: str, new: str) -> None:
    assert old in PUBLIC_HEARTBEAT
    with pytest.raises(MalformedMessage):
        Report.from_xml(PUBLIC_HEARTBEAT.replace(old, new))


def test_damaged(header: ReportHeader, damaged) -> None:
    good = Report(header, (Instance("A", "b", "New", {"C": "d"}, "e"),)).to_xml()
    for data in damaged(good.encode(), 300):
        with contextlib.suppress(MalformedMessage):
            Report.from_xml(data.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "instance",
    [
        Instance("two words", "", "New"),
        Instance("A", "\0", "New"),
        Instance("A", "", "New", {"two words": ""}),
        Instance("A", "", "New", {"B": "\ud800"}),
        Instance("A", "", "New", {}, "\0"),
    ],
)
def test_what_cannot_be_written(header: ReportHeader, instance: Instance) -> None:
    with pytest.raises(MalformedMessage):
        Report(header, (instance,)).to_xml()
    with pytest.raises(MalformedMessage):
        Report(replace(header, netbios_name="\0")).to_xml()


def test_heartbeat(header: ReportHeader) -> None:
    properties = {"Name": "PC1", "IPAddresses": "10.0.0.7, 10.0.1.7,", "MACAddresses": ""}
    report = Report.from_xml(heartbeat(header, properties).to_xml())
    assert discovered(report) == {
        "Name": "PC1",
        "IPAddresses": ["10.0.0.7", "10.0.1.7"],
        "MACAddresses": [],
    }
