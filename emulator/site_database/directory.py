"""What a discovery record may say of a computer's place in its Windows domain."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.site_database.database import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryData:
    """What the record leaves out (None) stays as it was known."""

    installed_sites: tuple[str, ...] = ()
    user_domain: str | None = None
    full_domain_name: str | None = None
    distinguished_name: str | None = None
    primary_group_id: int | None = None
    sid: str | None = None


async def store(session: Session, machine_id: int, data: DirectoryData) -> None:
    """Add it to the resource, unless it says nothing."""
    if data == DirectoryData():
        return
    await session.execute(
        "directory_store",
        machine_id,
        list(data.installed_sites),
        data.user_domain,
        data.full_domain_name,
        data.distinguished_name,
        data.primary_group_id,
        data.sid,
    )
