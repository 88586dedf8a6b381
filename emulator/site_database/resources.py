"""Discovered computers (System_DISC): one row a computer, found by its SMSID."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from emulator.errors import UnknownClient
from emulator.protocol.client_identity import KnownClient
from emulator.site_database.database import Database, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryData:
    """What one heartbeat says of its computer; what it leaves out (None) stays as it was known."""

    smsid: str
    name: str
    netbios_name: str
    domain: str | None = None
    client_version: str | None = None
    ad_site: str | None = None
    user: str | None = None
    operating_system: str | None = None
    ip_addresses: tuple[str, ...] = ()
    ip_subnets: tuple[str, ...] = ()
    mac_addresses: tuple[str, ...] = ()
    smbios: str | None = None
    resource_names: tuple[str, ...] = ()
    assigned_sites: tuple[str, ...] = ()
    time: datetime


async def find(db: Database, smsid: str) -> int | None:
    """The ResourceID of a client, if the site has discovered it."""
    found: int | None = await db.fetchval("resource_of", smsid)
    return found


@dataclass(frozen=True, slots=True)
class Resource:
    """Which resource a client is, and its NetBIOS name."""

    resource_id: int
    name: str


async def find_all(db: Database, smsids: Collection[str]) -> dict[str, Resource]:
    """The resources of several clients, by SMSID; who is unknown is left out."""
    rows = await db.fetch("resources_of", list(smsids))
    return {row["smsid"]: Resource(row["resource"], row["name"]) for row in rows}


async def find_client(
    db: Database, smbios: str, mac_addresses: Sequence[str], name: str
) -> KnownClient | None:
    """ResourceID, identity and name of the client with this hardware (bare upper hex) or NetBIOS name."""
    row = await db.fetchrow("MP_GetClientID", smbios, list(mac_addresses), name)
    return KnownClient(**row) if row else None


async def resource_of(db: Database, smsid: str) -> int:
    """The ResourceID of a client.

    Raises:
        UnknownClient: the site has no resource with this identity.
    """
    found = await find(db, smsid)
    if found is None:
        raise UnknownClient(f"the site has no resource {smsid}")
    return found


async def merge_discovery(session: Session, data: DiscoveryData) -> tuple[int, bool]:
    """Make the resource, or bring it up to date; an unknown computer is discovered thereby.

    Returns its ResourceID, and whether the data was news: older data than the site has
    changes nothing.
    """
    resource: int | None = await session.fetchval(
        "resource_merge",
        data.smsid,
        data.name,
        data.netbios_name,
        data.domain,
        data.client_version,
        data.ad_site,
        data.user,
        data.operating_system,
        list(data.ip_addresses),
        list(data.ip_subnets),
        list(data.mac_addresses),
        list(data.resource_names),
        list(data.assigned_sites),
        data.time,
        data.smbios,
    )
    if resource is None:
        return await resource_of(session, data.smsid), False
    return resource, True


async def users_of(db: Database, smsid: str) -> list[str]:
    """The users of a client's computer, as discovery has told them; nobody for an unknown one."""
    return [row["name"] for row in await db.fetch("MP_GetMachineUsers", smsid)]
