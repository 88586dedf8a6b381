"""SMS_Identification: methods that tell which site this is, and hand out the console's installer.

Files come from one folder of the site server that is made for it, and from nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path

from emulator.errors import InvalidObject, ObjectNotFound, UnsafePath
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Arguments, Object, Place, Property, ProviderClass
from emulator.site_server.read_only_classes import nothing

BLOCK = 1024 * 1024  # bytes of a file in one answer
FILE_NAME = re.compile(r"\w[\w .()-]{0,127}")


class SmsIdentification(ProviderClass):
    name = "SMS_Identification"
    properties = (Property("SiteCode", key=True),)
    table = nothing(name, properties)  # a class of methods: it has no objects

    def __init__(self, place: Place, folder: Path) -> None:
        super().__init__(place)
        self.folder = folder
        self.statics = {
            "GetSiteID": self.site_id,
            "GetProviderVersion": self.version,
            "GetFileBinary": self.file_binary,
        }

    async def site_id(self, session: Session, arguments: Arguments) -> Object:
        """GetSiteID: the GUID that scopes of applications are made from."""
        found = await session.fetchval("provider_site_id", self.place.site_code)
        return {"SiteID": f"{{{str(found).upper()}}}", "ReturnValue": 0}

    async def version(self, session: Session, arguments: Arguments) -> Object:
        """GetProviderVersion: the site's version."""
        found = await session.fetchrow("MP_GetSiteInfo", self.place.site_code)
        if found is None:
            raise ObjectNotFound(f"the site {self.place.site_code} is not entered yet")
        return {"ProviderVersion": found["version"], "ReturnValue": 0}

    async def file_binary(self, session: Session, arguments: Arguments) -> Object:
        """GetFileBinary: one block of a file, the first is number 1."""
        number = Property("blockNumber", kind="integer").check(arguments.get("blocknumber"))
        assert isinstance(number, int)
        if number < 1:
            raise InvalidObject("blockNumber counts from 1")
        path = self._path(arguments.get("filename"))
        try:
            block, last = await asyncio.to_thread(_read, path, (number - 1) * BLOCK)
        except OSError as exc:
            raise ObjectNotFound(f"there is no file {path.name}") from exc
        if not block and number > 1:
            raise InvalidObject(f"{path.name} has fewer than {number} blocks")
        return {
            "binary64Encoded": base64.b64encode(block).decode(),
            "isTheLastBlock": last,
            "ReturnValue": 0,
        }

    def _path(self, name: object) -> Path:
        """The file of this name in our folder.

        Raises:
            UnsafePath: the name, or a link that has it, leads out of the folder.
        """
        if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
            raise UnsafePath("FileName is the plain name of a file")
        path = self.folder / name
        if path.resolve().parent != self.folder.resolve():
            raise UnsafePath(f"{name} leads out of the folder")
        return path


def _read(path: Path, offset: int) -> tuple[bytes, bool]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(min(offset, size))
        block = file.read(BLOCK)
        return block, offset + len(block) >= size
