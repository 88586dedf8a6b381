"""SMS_SiteControlFile: the site's configuration as one object that scripts refresh before, and commit after.

What it holds here stands in the topology: the SMS_SCI classes are read and not changed, so there is never a
change that a commit would have to write.
"""

from __future__ import annotations

from emulator.site_database.database import Session, SiteDatabase
from emulator.site_server.in_memory_class import InMemoryClass
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property

ACTUAL = 1  # FileType: what the site works by


class SmsSiteControlFile(InMemoryClass):
    name = "SMS_SiteControlFile"
    properties = (
        Property("FileType", kind="integer", key=True),
        Property("SiteCode", key=True),
        Property("SiteName"),
        Property("BuildNumber", kind="integer"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.methods = {"Refresh": self.settled, "Commit": self.settled}

    async def rows(self, db: SiteDatabase | Session) -> list[Object]:
        """The one of this site."""
        found = await db.fetch("SELECT SiteCode, SiteName, BuildNumber FROM v_Site")
        names = ("SiteCode", "SiteName", "BuildNumber")
        return [{"FileType": ACTUAL, **dict(zip(names, row, strict=True))} for row in found]

    async def settled(self, session: Session, key: Key, arguments: Arguments) -> Object:
        """Refresh and Commit: what is read is what is in force."""
        return {"ReturnValue": 0}
