"""Scripts are kept and approved, and answered from what devices reported; nothing is executed."""

from __future__ import annotations

import base64
import codecs
import json

import pytest

from emulator.site_server.administrators import CALLER
from emulator.site_server.site_server import SiteServer
from tests.site_server.devices import Devices
from tests.site_server.lab import Administrator

GUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def in_base64(script: str) -> str:
    return base64.b64encode(codecs.BOM_UTF16_LE + script.encode("utf-16-le")).decode()


async def approved(administrator: Administrator, server: SiteServer, script: str, guid: str = GUID) -> None:
    """A script that one administrator wrote and another one approved."""
    body = {
        "ApprovalState": 3,
        "ParamsDefinition": "",
        "ScriptName": "Updates",
        "Author": "",
        "Script": in_base64(script),
        "ScriptVersion": "1",
        "ScriptType": 0,
        "ParameterlistXML": "",
        "ScriptGuid": guid,
    }
    status, answer = await administrator.ask("POST", "SMS_Scripts.CreateScripts/", body)
    assert (status, answer["ScriptGuid"]) == (201, guid.upper())
    await server.database.execute(
        "UPDATE Scripts SET Author = 'LAB\\second' WHERE ScriptGuid = $1::text::uuid", guid
    )
    approval = {"Approver": "", "ApprovalState": "3", "Comment": ""}
    path = f"SMS_Scripts/{guid}/AdminService.UpdateApprovalState"
    assert (await administrator.ask("POST", path, approval))[0] == 201


@pytest.mark.proves("adminservice.scripts")
@pytest.mark.parametrize(
    ("script", "code", "lines"),
    [
        ("hostname\r\nwhoami # who\r\n", 0, ["PC01", "nt authority\\system"]),
        ("Get-ComputerInfo", 0, None),
        ("ipconfig /all", 0, None),
        ("Remove-Item C:\\ -Recurse", 1, None),
        ("hostname; Remove-Item x", 1, None),
        ("", 1, None),
    ],
)
async def test_a_script_is_answered_and_not_executed(
    administrator: Administrator,
    devices: Devices,
    resource: int,
    script: str,
    code: int,
    lines: list[str] | None,
) -> None:
    await approved(administrator, devices.server, script + " ")
    target = f"Device({resource})"
    status, answer = await devices.ask("POST", f"{target}/AdminService.RunScript", {"ScriptGuid": GUID})
    assert status == 200
    operation = answer["value"]
    assert isinstance(operation, int)
    assert (await devices.result(target, operation, "ScriptResult"))[0] == 404
    await devices.reported()
    status, answer = await devices.result(target, operation, "ScriptResult")
    assert status == 200
    (row,) = answer["value"]["Result"]
    assert row["ScriptExitCode"] == code
    output = json.loads(row["ScriptOutput"])
    if lines is not None:
        assert output == lines
    elif code:
        assert "not executed" in output[0]
        assert f"PC01 ({resource})" in output[1]
    else:
        told = "\n".join(output)
        assert "10.0.0.7" in told or "Microsoft Windows 7 Enterprise" in told
    assert (await devices.result(target, operation))[0] == 404  # it was no CMPivot query


@pytest.mark.proves("adminservice.scripts.approval")
async def test_nobody_approves_a_script_of_their_own(
    administrator: Administrator, devices: Devices, resource: int
) -> None:
    body = {
        "ScriptName": "mine",
        "Script": in_base64("hostname"),
        "ScriptGuid": GUID,
        "Author": "LAB\\second",
    }
    assert (await administrator.ask("POST", "SMS_Scripts.CreateScripts", body))[0] == 201
    assert (await administrator.ask("POST", "SMS_Scripts.CreateScripts", body))[0] == 409
    columns = "ScriptName,ScriptDescription,ScriptGuid,Author,ApprovalState,Approver"
    (listed,) = await administrator.all("SMS_Scripts", select=columns)
    assert (listed["Author"], listed["ApprovalState"]) == (CALLER.get(), 0)  # not whom the request named
    path = f"SMS_Scripts/{GUID}/AdminService.UpdateApprovalState"
    status, answer = await administrator.ask("POST", path, {"ApprovalState": "3"})
    assert (status, answer["error"]["code"]) == (500, "OwnApprovalForbidden")
    run = {"ScriptGuid": GUID}
    assert (await devices.ask("POST", f"Device({resource})/AdminService.RunScript", run))[0] == 409
    assert (await administrator.ask("POST", path, {"ApprovalState": 1, "Comment": "no"}))[0] == 201
    assert (await administrator.ask("POST", path, {"ApprovalState": 2}))[0] == 400
    status, read = await devices.ask("GET", f"Script/{GUID}")
    assert (status, read["ScriptName"], read["ScriptContent"]) == (200, "mine", "hostname")
    assert (await administrator.ask("DELETE", f"SMS_Scripts/{GUID}"))[0] == 204
    assert (await devices.ask("GET", f"Script/{GUID}"))[0] == 404


@pytest.mark.parametrize("script", ["not base64!", base64.b64encode(b"\xff\xff\xff").decode(), "", None, 5])
async def test_a_script_that_is_none(administrator: Administrator, script: object) -> None:
    body = {"ScriptName": "x", "Script": script}
    assert (await administrator.ask("POST", "SMS_Scripts.CreateScripts", body))[0] == 400
