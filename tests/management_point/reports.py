"""Reports of every kind, as a client of 2007 writes them."""

from __future__ import annotations

import pytest

from emulator.protocol.report_file import ReportKind

HEADER = (
    "<ReportHeader><Identification><Machine><ClientInstalled>1</ClientInstalled><ClientType>1</ClientType>"
    "<ClientID>{smsid}</ClientID><ClientVersion>4.00.6487.2000</ClientVersion><NetBIOSName>PC01</NetBIOSName>"
    "<CodePage>437</CodePage><SystemDefaultLCID>1033</SystemDefaultLCID></Machine></Identification>"
    "<ReportDetails><ReportContent>{content}</ReportContent><ReportType>Full</ReportType>"
    "<Date>20090601080000.000000+000</Date><Version>1.0</Version><Format>1.0</Format></ReportDetails>"
    "<InventoryAction><InventoryActionID>{{00000000-0000-0000-0000-00000000000{action}}}</InventoryActionID>"
    "<Description>{description}</Description></InventoryAction></ReportHeader>"
)
INSTANCE = (
    '<Instance Class="{name}" Namespace="\\\\PC01\\root\\cimv2" Content="New">'
    "<{name}><Name>{text}</Name></{name}></Instance>"
)


def report(smsid: str, action: int, description: str, name: str, text: str = "one") -> str:
    header = HEADER.format(smsid=smsid, content="Inventory Data", action=action, description=description)
    return f"<Report>{header}<ReportBody>{INSTANCE.format(name=name, text=text)}</ReportBody></Report>"


def hardware(smsid: str, text: str = "one") -> str:
    return report(smsid, 1, "Hardware", "Win32_LogicalDisk", text)


def software(smsid: str) -> str:
    return report(smsid, 2, "Software", "FileSystemFile")


def heartbeat(smsid: str) -> str:
    return report(smsid, 3, "Discovery", "CCM_DiscoveryData")


def metering(smsid: str) -> str:
    header = HEADER.format(smsid=smsid, content="Software Metering Data", action=0, description="Metering")
    usage = (
        '<HistoricalMeterData MeterDataID="{9D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A}" UserName="LAB\\ann"'
        ' StartTime="20090601080000.000000+000" EndTime="20090601090000.000000+000" Status="0"/>'
    )
    return f"<Report>{header}<ReportBody>{usage}</ReportBody></Report>"


def state(smsid: str) -> str:
    header = HEADER.format(smsid=smsid, content="State Message Data", action=0, description="State")
    message = (
        '<StateMessage MessageTime="20090601080000.000000+000" SerialNumber="17">'
        '<Topic ID="x" Type="500" IDType="3" User="" UserSID=""/>'
        '<State ID="2" Criticality="0"/><StateDetails/></StateMessage>'
    )
    return f"<Report>{header}<ReportBody>{message}</ReportBody></Report>"


def status(smsid: str) -> str:
    return (
        '<Status SchemaVersion="1.0" CodePage="437" LocaleID="1033"><Type>SoftDistProgramStartedEvent</Type>'
        f'<Properties><Property Name="ClientID">{smsid}</Property></Properties>'
        '<Qualifiers><Qualifier Name="Time">20090601080000.000000+000</Qualifier></Qualifiers></Status>'
    )


def files(smsid: str) -> str:
    return report(smsid, 0, "FileCollection", "CollectedFile").replace("Inventory Data", "FILECOLL")


def idmif(smsid: str) -> str:
    return report(smsid, 0, "IDMIF", "LAB_Modem").replace("Inventory Data", "IDMIF")


REPORTS = [
    pytest.param("MP_HinvEndpoint", hardware, ReportKind.HARDWARE_INVENTORY, id="hardware"),
    pytest.param("MP_SinvEndpoint", software, ReportKind.SOFTWARE_INVENTORY, id="software"),
    pytest.param("MP_DdrEndpoint", heartbeat, ReportKind.DISCOVERY, id="discovery"),
    pytest.param("mp_ddrendpoint", heartbeat, ReportKind.DISCOVERY, id="discovery, other case"),
    pytest.param("StatusReceiver", status, ReportKind.STATUS, id="status"),
    pytest.param("MP_RelayEndpoint", metering, ReportKind.METERING, id="metering"),
    pytest.param("MP_RelayEndpoint", state, ReportKind.STATE, id="state"),
    pytest.param("MP_SinvCollFileEndpoint", files, ReportKind.FILE_COLLECTION, id="files"),
    pytest.param("MP_RelayEndpoint", idmif, ReportKind.IDMIF, id="idmif"),
]
