"""Heartbeats: an unknown computer becomes a resource, a known one is brought up to date."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.clock import ClockSettings
from emulator.protocol.report import Report
from emulator.protocol.report_file import ReportKind
from emulator.site_database.database import SiteDatabase
from tests.site_server.reporting import NOON, SMSID, Desk, ddr, header, report_file

DDR = ReportKind.DISCOVERY


@pytest.fixture
def desk(tmp_path: Path, site_database: SiteDatabase) -> Desk:
    return Desk(tmp_path, site_database)


async def test_an_unknown_computer_becomes_a_resource(desk: Desk) -> None:
    await desk.load(
        ddr(
            {
                "NetbiosName": "PC01",
                "ResourceDomainORWorkgroup": "LAB",
                "IPAddresses": "10.0.0.5, 10.0.1.5",
                "SMSAssignedSites": "S01",
                "OperatingSystemNameandVersion": "Microsoft Windows NT Workstation 5.1",
            }
        )
    )
    assert await desk.all(
        "SELECT Netbios_Name0, SMS_Unique_Identifier0, Resource_Domain_OR_Workgr0, IP_Addresses0, Client0,"
        " Client_Version0, Last_DDR_Time FROM System_DISC"
    ) == [("PC01", SMSID, "LAB", ["10.0.0.5", "10.0.1.5"], 1, "4.00.6487.2000", NOON)]
    assert await desk.all("SELECT InventoryAction FROM InventoryLog") == [("Discovery",)]


@pytest.mark.proves("reports.ddr.classes")
async def test_what_the_classes_of_a_public_clients_ddr_mean(desk: Desk) -> None:
    classes = {
        "CCM_ComputerSystem": "<Domain>LAB</Domain><Name>nobody asks</Name>",
        "CCM_Client": "<ClientID>x</ClientID><ClientVersion>5.00.8325.0000</ClientVersion>",
        "SMS_Authority": "<Name>SMS:S01</Name>",
        "CCM_ADSiteInfo": "<ADSiteName>Berlin</ADSiteName>",
        "Win32_ComputerSystemProduct": "<Name>Virtual Machine</Name><UUID>44454C4C-3000</UUID>",
        "CCM_DiscoveryData": "<PlatformID>Microsoft Windows NT Server 10.0</PlatformID>",
        "Win32_NetworkAdapterConfiguration": "<IPAddress>10.0.0.5</IPAddress><IPAddress>fe80::5</IPAddress>"
        "<MACAddress>00:15:5D:01:02:03</MACAddress>",
    }
    report = Report(header()).to_xml()
    instances = "".join(
        f'<Instance ParentClass="{name}" Class="{name}" Namespace="\\\\PC01\\root" Content="New">'
        f"<{name}>{inner}</{name}></Instance>"
        for name, inner in classes.items()
    )
    await desk.load(
        report_file(DDR, report.replace("<ReportBody/>", f"<ReportBody>{instances}</ReportBody>"))
    )
    assert await desk.all(
        "SELECT Name0, Resource_Domain_OR_Workgr0, AD_Site_Name0, SMBIOS_GUID0, SMS_Assigned_Sites0,"
        " IP_Addresses0, MAC_Addresses0, Operating_System_Name_and0 FROM System_DISC"
    ) == [
        (
            "PC01",
            "LAB",
            "Berlin",
            "44454C4C-3000",
            ["S01"],
            ["10.0.0.5", "fe80::5"],
            ["00:15:5D:01:02:03"],
            "Microsoft Windows NT Server 10.0",
        )
    ]


async def test_a_known_computer_is_brought_up_to_date(desk: Desk) -> None:
    resource = await desk.add_client(name="OLDNAME")
    await desk.load(ddr({"NetbiosName": "NEWNAME", "ADSiteName": "Berlin"}))
    assert await desk.all("SELECT ItemKey, Name0, AD_Site_Name0 FROM System_DISC") == [
        (resource, "NEWNAME", "Berlin")
    ]


async def test_an_older_heartbeat_does_not_turn_it_back(desk: Desk) -> None:
    await desk.load(
        ddr({"NetbiosName": "PC01", "ADSiteName": "Berlin"}, minutes=10),
        ddr({"NetbiosName": "PC01", "ADSiteName": "Bonn"}, minutes=5),
    )
    assert await desk.all("SELECT AD_Site_Name0, Last_DDR_Time FROM System_DISC") == [
        ("Berlin", NOON + timedelta(minutes=10))
    ]
    assert await desk.receipts() == 2


async def test_every_heartbeat_of_a_client_counts_once(desk: Desk) -> None:
    first, second = ddr({"NetbiosName": "PC01"}), ddr({"NetbiosName": "PC01"}, minutes=1)
    await desk.load(first, second)
    await desk.load(first, second)
    assert await desk.receipts() == 2
    assert await desk.all("SELECT count(*) FROM System_DISC") == [(1,)]


async def test_a_record_that_names_no_computer_is_a_bad_one(desk: Desk) -> None:
    nameless = ddr({"ADSiteName": "Berlin"}).payload.replace(">PC01<", "><")
    await desk.load(report_file(DDR, nameless), report_file(DDR, "<DDR/>"), ddr({"NetbiosName": "PC01"}))
    assert list(desk.aside(DDR)) == ["BAD_DDRS"]
    assert await desk.receipts() == 1


async def test_bad_records_are_deleted_after_25_hours(desk: Desk) -> None:
    now = desk.role.clock.time()
    timeline = desk.role.clock.timeline

    def set_time(time: float) -> None:
        timeline.change(ClockSettings(frozen=True, site_origin=time))

    set_time(now)
    await desk.load(report_file(DDR, "<old/>"))
    bad = desk.spool(DDR).folder / "BAD_DDRS"
    old = set(bad.iterdir())
    assert len(old) == 2  # the record and the reason
    set_time(now + 3600)
    await desk.load(report_file(DDR, "<new/>"))
    running = asyncio.create_task(desk.component(DDR).run())
    # Nobody has to bring another bad record: they go when their time has come.
    for hours, left in ((25, 2), (26, 0)):
        set_time(now + hours * 3600)
        async with asyncio.timeout(20):
            while len(set(bad.iterdir())) != left:  # noqa: ASYNC110  # files on disk
                await asyncio.sleep(0.005)
    assert not old & set(bad.iterdir())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
