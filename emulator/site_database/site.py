"""The site itself, as the site database describes it."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.errors import ObjectNotFound
from emulator.site_database.database import Database


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What MP_GetSiteInfo tells."""

    site_code: str
    name: str
    server_name: str
    version: str
    build_number: int
    default_mp: str | None


async def site_info(db: Database, site_code: str) -> SiteInfo:
    """The site of this code.

    Raises:
        ObjectNotFound: the database is another site's.
    """
    row = await db.fetchrow("MP_GetSiteInfo", site_code)
    if row is None:
        raise ObjectNotFound(f"the site database knows no site {site_code}")
    return SiteInfo(**row)
