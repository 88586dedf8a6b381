"""Where content is: the distribution points that hold one version of a package."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.site_database.database import Database


@dataclass(frozen=True, slots=True)
class InstalledContent:
    """A package version on one distribution point."""

    nal_path: str
    url: str  # of the package's folder
    server: str  # the computer's name
    server_remote_name: str = ""  # its full name
    version: int = 0
    content_hash: str = ""  # of this version; empty when the site holds another one by now
    package_flags: int = 0


@dataclass(frozen=True, slots=True)
class DistributionPoint:
    """A distribution point of the site, whatever it holds."""

    url: str
    server: str
    server_remote_name: str


async def content_locations(db: Database, package_id: str, version: int) -> list[InstalledContent]:
    """Every distribution point on which the package is installed in this version; often none.

    Version 0, which no package has, means the newest one.
    """
    if not 0 <= version < 2**31:
        return []  # a client may ask for anything
    return [InstalledContent(**row) for row in await db.fetch("MP_GetContentDPInfo", package_id, version)]


async def distribution_points(db: Database, site_code: str) -> list[DistributionPoint]:
    """All of a site."""
    return [DistributionPoint(**row) for row in await db.fetch("MP_GetDistributionPoints", site_code)]
