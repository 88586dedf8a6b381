"""SMS_Scripts: PowerShell scripts that administrators keep for devices.

A script is approved by somebody else than its author before it may be started: the hierarchy's
default. Nothing here runs one: ``script_output.py`` says what devices answer.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping

from emulator.errors import InvalidObject, ObjectConflict, OwnApprovalForbidden
from emulator.site_database import provider
from emulator.site_database.condition import Column, Compare
from emulator.site_database.database import Session
from emulator.site_server.administrators import CALLER
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property, ProviderClass

WAITING, DENIED, APPROVED = 0, 1, 3  # ApprovalState
MAX_SCRIPT = 1024 * 1024  # characters of base64


class SmsScripts(ProviderClass):
    name = "SMS_Scripts"
    table = "Scripts"
    view = "(SELECT *, upper(ScriptGuid::text) AS Guid FROM Scripts) AS v_Scripts"
    lazy = ("Script",)
    properties = (
        Property("ScriptGuid", "Guid", key=True),
        Property("ScriptName"),
        Property("ScriptDescription"),
        Property("ScriptVersion"),
        Property("ScriptType", kind="integer"),
        Property("Script"),
        Property("Author"),
        Property("ApprovalState", kind="integer"),
        Property("Approver"),
        Property("Comment"),
        Property("LastUpdateTime", kind="datetime"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.statics = {"CreateScripts": self.create_script}
        self.methods = {"UpdateApprovalState": self.update_approval}

    async def create_script(self, session: Session, arguments: Arguments) -> Object:
        """CreateScripts: a new script, waiting for approval whatever state it was given with."""
        script = str(Property("Script", required=True).check(arguments.get("script")))
        decoded(script)
        guid = _guid(arguments.get("scriptguid") or str(uuid.uuid4()))
        if await provider.count(session, self.view, Compare(Column("Guid"), "=", str(guid))):
            raise ObjectConflict(f"the script {guid} exists already")
        row = {
            "ScriptGuid": guid,
            "ScriptName": _text(arguments, "ScriptName", required=True),
            "ScriptDescription": _text(arguments, "ScriptDescription"),
            "ScriptVersion": _text(arguments, "ScriptVersion") or "1",
            "ScriptType": _number("ScriptType", arguments.get("scripttype", 0)),
            "Script": script,
            "Author": CALLER.get(),  # not who the request says: approval rests on it
            "ApprovalState": WAITING,
            "LastUpdateTime": self.place.clock.now(),
        }
        await provider.insert(session, self.table, row)
        return {"ScriptGuid": str(guid).upper(), "ReturnValue": 0}

    async def update_approval(self, session: Session, key: Key, arguments: Arguments) -> Object:
        """UpdateApprovalState: by somebody else than the author."""
        state = _number("ApprovalState", arguments.get("approvalstate"))
        if state not in (WAITING, DENIED, APPROVED):
            raise InvalidObject(f"ApprovalState is {WAITING} (waiting), {DENIED} (denied) or {APPROVED}")
        script = await self.get(session, key)
        approver = CALLER.get()
        if state == APPROVED and script["Author"].lower() == approver.lower():
            raise OwnApprovalForbidden(f"{approver} is the script's author, and does not approve it")
        changes = {"ApprovalState": state, "Approver": approver, "Comment": _text(arguments, "Comment")}
        row = {"ScriptGuid": _guid(key["ScriptGuid"])}
        await provider.update(session, self.table, row, changes | {"LastUpdateTime": self.place.clock.now()})
        return {"ReturnValue": 0}

    async def delete(self, session: Session, key: Key) -> None:
        await provider.delete(session, self.table, {"ScriptGuid": _guid(key["ScriptGuid"])})


def decoded(script: str) -> str:
    """A script's text: base64 of UTF-16 or UTF-8, with or without byte order mark.

    Raises:
        InvalidObject: it is no such thing, or too long.
    """
    if len(script) > MAX_SCRIPT:
        raise InvalidObject(f"Script has more than {MAX_SCRIPT} characters")
    try:
        raw = base64.b64decode(script, validate=True)
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return raw.decode("utf-16")
        return raw.decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise InvalidObject(f"Script is base64 of a text in UTF-16 or UTF-8 ({exc})") from exc


def _guid(value: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError as exc:
        raise InvalidObject(f"ScriptGuid is {str(value)[:80]!r}; a GUID is expected") from exc


def _text(arguments: Mapping[str, object], name: str, *, required: bool = False) -> str:
    value = arguments.get(name.lower())
    return str(Property(name, required=required).check("" if value is None else value))


def _number(name: str, value: object) -> int:
    if isinstance(value, str) and value.isdecimal():  # clients send "3"
        value = int(value)
    return int(str(Property(name, kind="integer", most=255).check(value)))
