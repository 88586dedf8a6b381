"""SMS_Program: a command line of a package, and how it may run."""

from __future__ import annotations

import re

from emulator.errors import InvalidObject, ObjectConflict
from emulator.site_database import provider
from emulator.site_database.condition import All, Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Key, Object, Property, ProviderClass


class SmsProgram(ProviderClass):
    name = "SMS_Program"
    table = "PkgPrograms"
    properties = (
        Property("PackageID", "PkgID", access="create", key=True, required=True),
        Property("ProgramName", "Name", access="create", key=True, required=True),
        Property("CommandLine", access="write", required=True),
        Property("WorkingDirectory", access="write"),
        Property("Comment", access="write"),
        Property("DiskSpaceReq", access="write"),
        Property("Duration", kind="integer", access="write", most=2**31 - 1),
        Property("DependentProgram", access="write"),
        Property("ProgramFlags", kind="integer", access="write"),
    )

    async def create(self, session: Session, values: Object) -> Key:
        values["PackageID"] = values["PackageID"].upper()
        package = Compare(Column("PkgID"), "=", values["PackageID"])
        if not await provider.count(session, "SMSPackages", package):
            there = ", ".join(await provider.names(session, "SMSPackages", "PkgID", Compare(
                Column("ActionInProgress", "integer"), "<>", 3)))  # fmt: skip
            raise InvalidObject(f"there is no package {values['PackageID']}; there are {there or 'none'}")
        same_name = All((package, Compare(Column("Name"), "=", values["ProgramName"])))
        if await provider.count(session, self.table, same_name):
            raise ObjectConflict(f"{values['PackageID']} has a program {values['ProgramName']!r} already")
        await self._check(session, values)
        await provider.insert(session, self.table, self.by_column(values))
        return {name: values[name] for name in ("PackageID", "ProgramName")}

    async def change(self, session: Session, key: Key, values: Object) -> None:
        await self._check(session, dict(key) | values)
        await provider.update(session, self.table, self.by_column(key), self.by_column(values))

    async def delete(self, session: Session, key: Key) -> None:
        offers = All((
            Compare(Column("PkgID"), "=", str(key["PackageID"])),
            Compare(Column("ProgramName"), "=", str(key["ProgramName"])),
        ))  # fmt: skip
        advertised = await provider.names(session, "ProgramOffers", "OfferID", offers)
        if advertised:
            raise ObjectConflict(f"program {key['ProgramName']!r} is advertised by {', '.join(advertised)}")
        await provider.delete(session, self.table, self.by_column(key))

    async def _check(self, session: Session, values: Object) -> None:
        space = values.get("DiskSpaceReq")
        if space and not re.fullmatch(r"\d+ (KB|MB|GB)", space):
            raise InvalidObject(f"DiskSpaceReq is {space!r}; '<number> KB', MB or GB is expected")
        depends_on = values.get("DependentProgram")
        if depends_on:
            package, separator, program = depends_on.partition(";;")
            other = All((Compare(Column("PkgID"), "=", package), Compare(Column("Name"), "=", program)))
            if not separator or not await provider.count(session, self.table, other):
                raise InvalidObject(
                    f"DependentProgram is {depends_on!r}; '<PackageID>;;<ProgramName>' of a program "
                    "that exists is expected"
                )
