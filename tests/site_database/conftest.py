"""Rows that many tests of the site database need: clients, receipts, packages."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from emulator.protocol.registration import ClientRegistrationRequest
from emulator.protocol.report import ReportHeader
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_database import registration, reports, resources
from emulator.site_database.database import Session, SiteDatabase

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def registering() -> Callable[..., ClientRegistrationRequest]:
    """A registration as it arrives; the certificate is any bytes here."""

    def make(name: str, certificate: bytes = b"", smsid: str = "") -> ClientRegistrationRequest:
        return ClientRegistrationRequest(
            smsid=smsid,
            agent_version="4.00.6487.2000",
            timestamp="2026-11-23T12:00:00Z",
            signing=certificate or f"certificate of {name}".encode(),
            encryption=b"encryption",
            netbios_name=name,
            fqdn=f"{name.lower()}.lab.test",
        )

    return make


@pytest.fixture
def new_client(
    site_database: SiteDatabase, registering: Callable[..., ClientRegistrationRequest]
) -> Callable[[str], Awaitable[tuple[str, int]]]:
    """Register a client: its SMSID and its ResourceID."""

    async def make(name: str) -> tuple[str, int]:
        new_smsid = f"GUID:{name:0>8}-0000-4000-8000-000000000001"
        registered = await registration.register_client(
            site_database, registering(name), site_code="S01", new_smsid=new_smsid, now=NOW
        )
        return registered.smsid, await resources.resource_of(site_database, registered.smsid)

    return make


@pytest.fixture
def receipt() -> Callable[[Session], Awaitable[int]]:
    """A new report's receipt, where a test is about something else."""
    numbers = itertools.count(1)

    async def make(session: Session) -> int:
        file = ReportFile(ReportKind.STATE, f"{{{next(numbers)}}}", "GUID:X", "<Report/>", NOW)
        receipt_id = await reports.receipt(session, file, NOW)
        assert receipt_id is not None
        return receipt_id

    return make


@pytest.fixture
def header() -> Callable[..., ReportHeader]:
    """An inventory report's header."""

    def make(version: str, report_type: str = "Full", days: int = 0) -> ReportHeader:
        return ReportHeader(
            client_id="GUID:X",
            client_version="4.00",
            netbios_name="PC01",
            report_content="Inventory Data",
            report_type=report_type,
            version=version,
            date=NOW + timedelta(days=days),
            action_id="{00000000-0000-0000-0000-000000000001}",
            action_description="Inventory",
        )

    return make
