"""The numbers of inventory reports: ``<major>.<minor>``, each following the last one loaded.

1.0 is a client's first full report, 2.25 the 25th delta after its second full one. A delta
describes changes to what its predecessor left, so one out of turn must not be applied: the
report is rejected and the client is asked for everything again (a resync). The folder it
goes to is named by what was wrong with it, as the product's BADMIFS folders are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from emulator.errors import MalformedMessage
from emulator.protocol.report import ReportHeader
from emulator.site_database.inventory import LastReport

OUTDATED = "Outdated"  # lower than expected
DELTA_MISMATCH = "DeltaMismatch"  # a delta before this one is missing
MAJOR_MISMATCH = "MajorMismatch"  # the full report before this one is missing
NONEXISTENT_ROW = "NonExistentRow"  # it changes an instance the site does not have


@dataclass(frozen=True, slots=True, order=True)
class InventoryVersion:
    """The number of one report."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        major, dot, minor = text.partition(".")
        if not (dot and _is_number(major) and _is_number(minor)):
            raise MalformedMessage(f"expected <major>.<minor>, not {text!r}", raw=text.encode())
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def is_full(header: ReportHeader) -> bool:
    """The documentation prints ``full`` and ``Full``; both are meant."""
    return header.report_type.lower() == "full"


def require_numbered(header: ReportHeader) -> None:
    """Raises MalformedMessage: the report's number or type is none."""
    InventoryVersion.parse(header.version)
    if header.report_type.lower() not in ("full", "delta"):
        raise MalformedMessage(f"a report is full or delta, not {header.report_type!r}")


def violation(last: LastReport, header: ReportHeader) -> tuple[str, str] | None:
    """What is wrong with the report's turn, as (folder, reason); None when it is the next one."""
    version, held = InventoryVersion.parse(header.version), InventoryVersion.parse(last.version)
    seen = f"{header.report_type} {version} of {header.date.isoformat()} after {held}"
    # An answer to a resync is taken whatever its number and date, or a client that was set up
    # anew and counts from 1.0 again, or had its clock put back, would be asked for ever.
    if is_full(header) and last.resync_requested:
        return None
    if last.date and header.date < last.date:
        return OUTDATED, f"{seen}: older than the last one loaded ({last.date.isoformat()})"
    if is_full(header):
        if version.major > held.major:
            return None
        return OUTDATED, f"{seen}: a full report counts upwards"
    if version.major != held.major:
        if version < held:
            return OUTDATED, f"{seen}: belongs to an earlier full report"
        return MAJOR_MISMATCH, f"{seen}: the full report {version.major}.0 is missing"
    if version.minor <= held.minor:
        return OUTDATED, f"{seen}: expected {held.major}.{held.minor + 1}"
    if version.minor > held.minor + 1:
        return DELTA_MISMATCH, f"{seen}: {held.major}.{held.minor + 1} is missing"
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
