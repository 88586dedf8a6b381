"""SMS_TaskSequencePackage: what the site's task sequence policies deploy, and the policies themselves.

A site of this kind has no task sequence editor: a package is here when a policy of the category
TaskSequence names it. The methods answer with policy bodies as clients get them, secrets obfuscated.
"""

from __future__ import annotations

from emulator.errors import InvalidObject, MalformedMessage
from emulator.protocol.policy_body import decode_body
from emulator.protocol.xml import decode_utf16
from emulator.site_database.database import Session, SiteDatabase
from emulator.site_server.in_memory_class import InMemoryClass
from emulator.site_server.provider_class import Arguments, Object, Place, Property

NETWORK_ACCESS, TASK_SEQUENCE = "NAAConfig", "TaskSequence"  # PolicyCategory
TASK_SEQUENCE_TYPE = 4  # PackageType


class SmsTaskSequencePackage(InMemoryClass):
    name = "SMS_TaskSequencePackage"
    properties = (
        Property("PackageID", key=True),
        Property("Name"),
        Property("PackageType", kind="integer"),
        Property("SourceSite"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.statics = {
            "GetClientConfigPolicies": self.client_config_policies,
            "GetTSPolicies": self.task_sequence_policies,
        }

    async def rows(self, db: SiteDatabase | Session) -> list[Object]:
        found: dict[str, Object] = {}
        for package_id, name, _ in await self._policies(db):
            found[package_id] = {
                "PackageID": package_id,
                "Name": name,
                "PackageType": TASK_SEQUENCE_TYPE,
                "SourceSite": self.place.site_code,
            }
        return list(found.values())

    async def client_config_policies(self, session: Session, arguments: Arguments) -> Object:
        """GetClientConfigPolicies: the policies that carry the network access account."""
        rows = await session.fetch("provider_policies", NETWORK_ACCESS)
        return {"PolicyXmls": [_text(row["body"]) for row in rows], "ReturnValue": 0}

    async def task_sequence_policies(self, session: Session, arguments: Arguments) -> Object:
        """GetTSPolicies: the policies of one package."""
        wanted = arguments.get("packageid")
        if not isinstance(wanted, str):
            raise InvalidObject('{"PackageID": "S0100001"} is expected')
        await self.get(session, {"PackageID": wanted})
        bodies = [body for package, _, body in await self._policies(session) if package == wanted.upper()]
        return {"PolicyXmls": bodies, "ReturnValue": 0}

    async def _policies(self, db: SiteDatabase | Session) -> list[tuple[str, str, str]]:
        """PackageID, name and body of each task sequence policy that names a package."""
        found = []
        for row in await db.fetch("provider_policies", TASK_SEQUENCE):
            try:
                values = decode_body(row["body"]).properties
            except MalformedMessage:
                continue  # no package can be told from it
            if values.get("PKG_PackageID"):
                package_id = values["PKG_PackageID"].upper()
                found.append((package_id, values.get("PKG_Name", ""), _text(row["body"])))
        return found


def _text(body: bytes) -> str:
    """A body as text that a parser of texts takes: without a declaration of bytes."""
    text = decode_utf16(body).lstrip("\ufeff").rstrip("\0")
    return text.partition("?>")[2].lstrip() if text.startswith("<?xml") else text
