"""Software metering: which programs were used, by whom, from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from lxml import etree

from emulator.protocol.policy_body import cim_datetime, read_cim_datetime
from emulator.protocol.report import ReportHeader
from emulator.protocol.xml import attribute, child, expect_root, new, number, parse_xml, required, serialize

STILL_RUNNING, START_NOT_CAPTURED, END_NOT_CAPTURED, TERMINAL_SESSION = 1, 2, 4, 8
REPORT_CONTENT = "Software Metering Data"


@dataclass(frozen=True, slots=True)
class Usage:
    """One use of one program; ``end`` is the report's time while it still runs."""

    meter_data_id: str
    user_name: str
    product_name: str
    file_name: str
    start: datetime
    end: datetime
    status: int = 0


@dataclass(frozen=True, slots=True)
class MeteringReport:
    """The usages since the last report."""

    header: ReportHeader
    usages: tuple[Usage, ...] = ()

    def to_xml(self) -> str:
        root = new("Report")
        self.header.append_to(root)
        body = child(root, "ReportBody")
        for usage in self.usages:
            product = child(body, "ProductInfo", ProductName=usage.product_name)
            file = child(product, "SoftwareFileInfo", FileName=usage.file_name)
            child(
                file,
                "HistoricalMeterData",
                MeterDataID=usage.meter_data_id,
                UserName=usage.user_name,
                StartTime=cim_datetime(usage.start),
                EndTime=cim_datetime(usage.end),
                Status=str(usage.status),
            )
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage."""
        root = expect_root(parse_xml(text), "Report")
        usages = tuple(_usage(element) for element in root.iter("HistoricalMeterData"))
        return cls(ReportHeader.read_from(root), usages)


def _usage(element: etree._Element) -> Usage:
    file = element.getparent()
    product = None if file is None else file.getparent()
    return Usage(
        meter_data_id=required(element, "MeterDataID"),
        user_name=attribute(element, "UserName"),
        product_name="" if product is None else attribute(product, "ProductName"),
        file_name="" if file is None else attribute(file, "FileName"),
        start=read_cim_datetime(required(element, "StartTime")),
        end=read_cim_datetime(required(element, "EndTime")),
        status=number(attribute(element, "Status", "0"), "Status"),
    )
