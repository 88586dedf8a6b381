"""CMPivot and a device's other operations: answered from what devices reported, kept in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from emulator.site_server.site_server import SiteServer
from tests.site_server.devices import Devices
from tests.site_server.lab import Wire, add_system, until
from tests.site_server.reporting import SMSID, disk, event, inventory

OTHER = "GUID:22222222-2222-4333-8444-555555555555"

# -- reading ---------------------------------------------------------------------------


@pytest.mark.proves("adminservice.v1.device", "adminservice.v1.membership")
async def test_devices_and_where_they_belong(devices: Devices, resource: int) -> None:
    status, listed = await devices.ask("GET", "Device?$filter=Name eq 'pc01'&$select=MachineId,SMSID")
    assert (status, listed["value"]) == (200, [{"MachineId": resource, "SMSID": SMSID}])
    status, one = await devices.ask("GET", f"device({resource})")
    assert (status, one["Name"], "value" in one) == (200, "PC01", False)
    assert (await devices.ask("GET", "Device(5)"))[0] == 404
    path = f"Device({resource})/ResourceCollectionMembership"

    async def membership() -> Any:
        return (await devices.ask("GET", path))[1]["value"]

    (found,) = await until(membership)
    assert found["CollectionID"] == "SMS00001"
    status, expanded = await devices.ask("GET", f"{path}?$expand=Collection&$select=Collection")
    assert (status, list(expanded["value"][0])) == (200, ["Collection"])
    assert expanded["value"][0]["Collection"]["Name"] == "All Systems"
    assert (await devices.ask("GET", f"{path}?$expand=Nonsense"))[0] == 400
    status, collection = await devices.ask("GET", "Collections('SMS00001')")
    assert (status, collection["Name"]) == (200, "All Systems")


@pytest.mark.proves("adminservice.v1.events")
async def test_what_happened_on_a_device(devices: Devices, resource: int) -> None:
    another = await add_system(devices.server.database, "PC02", SMS_Unique_Identifier0=OTHER)
    for smsid, number in (SMSID, 10005), (OTHER, 10006), (SMSID, 10008):
        await devices.report(event("SoftDistProgramStartedEvent", number, minutes=number, smsid=smsid))
        stored = f"SELECT count(*) = 1 FROM StatusMessages WHERE MessageID = {number}"
        await until(lambda stored=stored: devices.server.database.fetchval(stored))
    for device, told in (resource, [10008, 10005]), (another, [10006]):
        status, found = await devices.ask("GET", f"Device({device})/Events")
        assert (status, [one["MessageID"] for one in found["value"]]) == (200, told)
    assert (await devices.ask("GET", "Collections('SMS00001')/Events"))[0] == 404


@pytest.mark.proves("adminservice.v1.boundary-groups", "adminservice.metadata")
async def test_there_are_no_boundary_groups(devices: Devices, resource: int) -> None:
    for path in f"Device({resource})/BoundaryGroups?$expand=BoundaryGroup", "BoundaryGroups":
        status, found = await devices.ask("GET", path)
        assert (status, found["value"]) == (200, [])
    assert (await devices.ask("GET", f"Device({resource})/BoundaryGroups?$expand=Nonsense"))[0] == 400
    assert (await devices.ask("GET", "Device(5)/BoundaryGroups"))[0] == 404
    assert (await devices.ask("GET", "$metadata"))[0] == 200


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("GET", "Nonsense", 404),
        ("GET", "", 404),
        ("POST", "Device", 405),
        ("GET", "Device(1,2)", 400),
        ("GET", "Device('x')", 400),
        ("GET", "Collections('S01FFFFF')", 404),
        ("POST", "Device/AdminService.RunCMPivot", 404),
        ("POST", "Collections('SMS00001')/AdminService.Nonsense", 404),
        ("GET", "Collections('SMS00001')/AdminService.RunCMPivot", 405),
        ("POST", "Collections('SMS00001')/AdminService.CMPivotResult(OperationId=1)", 405),
        ("GET", "Collections('SMS00001')/AdminService.CMPivotResult", 400),
        ("GET", "Collections('SMS00001')/AdminService.CMPivotResult(OperationId=1)", 404),
        ("POST", "Collections('SMS00001')/AdminService.RunCMPivot", 400),
        ("GET", "Script", 404),
        ("GET", "Script/not-a-guid", 404),
    ],
)
async def test_refusals(devices: Devices, verb: str, path: str, expected: int) -> None:
    status, answer = await devices.ask(verb, path, {})
    assert (status, set(answer["error"])) == (expected, {"code", "message"}), answer


# -- CMPivot ---------------------------------------------------------------------------


@pytest.mark.proves("adminservice.cmpivot.device")
async def test_a_device_answers_once_it_has_reported(devices: Devices, resource: int) -> None:
    target = f"Device({resource})"
    query = "LogicalDisk | where FreeSpace > 500 | project Device, DeviceID, FreeSpace"
    operation = await devices.run(target, query)
    status, waiting = await devices.result(target, operation)
    assert (status, "no result yet" in waiting["error"]["message"]) == (404, True)
    await devices.reported()
    status, answer = await devices.result(target, operation)
    rows = [{"Device": "PC01", "DeviceID": "D:", "FreeSpace": 2000}]
    assert (status, answer["value"]) == (200, {"Result": rows})
    # Another device's operation is not this one's.
    other = await add_system(devices.server.database, "PC02")
    assert (await devices.result(f"Device({other})", operation))[0] == 404
    # What was answered stays; who asks again is told what is so now.
    await devices.report(inventory("1.1", [disk("D:", 1000, "Updated")], minutes=5))
    changed = "SELECT Properties ->> 'FreeSpace' = '1000' FROM Inventory_DATA WHERE InstanceKey = 'D:'"
    await until(lambda: devices.server.database.fetchval(changed))
    assert (await devices.result(target, operation))[1]["value"]["Result"] == rows
    _, again = await devices.result(target, await devices.run(target, query))
    assert again["value"]["Result"] == [{"Device": "PC01", "DeviceID": "D:", "FreeSpace": 1000}]


@pytest.mark.proves("adminservice.cmpivot.entities")
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "OS | distinct Caption, Version, OSArchitecture, Device",
            [
                {
                    "Caption": "Microsoft Windows 7 Enterprise",
                    "Version": "6.1.7600",
                    "OSArchitecture": None,
                    "Device": "PC01",
                }
            ],
        ),
        ("InstalledSoftware | distinct ProductName, Publisher, ProductVersion", []),
        ("LogicalDisk | distinct Device, Caption", [{"Device": "PC01", "Caption": f"{c}:"} for c in "CD"]),
        (
            "File('c:\\\\tools\\\\A*') | distinct FileName, Mode, LastWriteTime, Size, Device",
            [
                {
                    "FileName": "C:\\Tools\\a.exe",
                    "Mode": None,
                    "LastWriteTime": "",
                    "Size": 4096,
                    "Device": "PC01",
                }
            ],
        ),
        (
            "InstalledExecutable | where FileVersion == '2.0' | project ExecutableName",
            [{"ExecutableName": "b.exe"}],
        ),
        ("User| where UserName contains 'ALI' | project UserName", [{"UserName": "LAB\\alice"}]),
        ("User| where UserName contains 'bob'", []),
        ("SystemConsoleUser | count", [{"Count": 1}]),
        (
            "IPConfig | project IPV4Address, MACAddress",
            [{"IPV4Address": "10.0.0.7", "MACAddress": "02:00:00:00:00:07"}],
        ),
        ("Disk | order by DeviceID | project DeviceID", [{"DeviceID": "D:"}, {"DeviceID": "C:"}]),
    ],
)
async def test_what_devices_answer(
    devices: Devices, resource: int, query: str, rows: list[dict[str, Any]]
) -> None:
    await devices.reported()
    target = f"Device({resource})"
    status, answer = await devices.result(target, await devices.run(target, query))
    assert (status, answer["value"]) == (200, {"Result": rows})


@pytest.mark.proves("adminservice.cmpivot.collection")
async def test_a_collection_answers_member_by_member(devices: Devices, resource: int) -> None:
    silent = await add_system(devices.server.database, "PC02", SMS_Unique_Identifier0=OTHER)
    target = "Collections('sms00001')"
    members = "SELECT count(*) = 2 FROM CollectionMembers"
    await until(lambda: devices.server.database.fetchval(members))
    operation = await devices.run(target, "OS | project Version")
    assert (await devices.result(target, operation))[0] == 404
    await devices.reported()
    status, answer = await devices.result(target, operation)
    first = {"ResourceId": resource, "Result": [{"Version": "6.1.7600"}]}
    assert (status, answer["value"]) == (200, [first])
    await devices.report(inventory("1.0", smsid=OTHER))
    scanned = "SELECT LastHWScan IS NOT NULL FROM WorkstationStatus_DATA WHERE MachineID = $1"
    await until(lambda: devices.server.database.fetchval(scanned, silent))
    assert (await devices.result(target, operation))[1]["value"] == [
        first,
        {"ResourceId": silent, "Result": []},
    ]


@pytest.mark.proves("adminservice.cmpivot.refused")
async def test_a_query_that_nobody_answers_is_refused_at_once(devices: Devices, resource: int) -> None:
    body = {"InputQuery": "Process"}
    status, answer = await devices.ask("POST", f"Device({resource})/AdminService.RunCMPivot", body)
    assert (status, answer["error"]["code"]) == (400, "UnsupportedQuery")
    assert "Process" in answer["error"]["message"]
    assert not await devices.server.database.fetchval("SELECT count(*) FROM ClientOperation")


@pytest.mark.proves("adminservice.operations.kept")
async def test_operations_outlive_a_restart_and_need_the_database(
    start_site_server: Callable[..., Awaitable[SiteServer]],
    http: aiohttp.ClientSession,
    wire: Wire,
    wire_dsn: str,
) -> None:
    await wire.join()
    first = Devices(http, await start_site_server(dsn=wire_dsn, speed=60.0))
    resource = await add_system(first.server.database, "PC01", SMS_Unique_Identifier0=SMSID)
    target = f"Device({resource})"
    operation = await first.run(target, "OS | project Version")
    await first.server.stop()
    again = Devices(http, await start_site_server(dsn=wire_dsn, speed=60.0))
    assert (await again.result(target, operation))[0] == 404
    await again.reported()
    await wire.cut()
    for status, _ in (
        await again.result(target, operation),
        await again.ask("POST", f"{target}/AdminService.RunCMPivot", {"InputQuery": "OS"}),
    ):
        assert status == 500
    await wire.join()
    status, answer = await again.result(target, operation)
    assert (status, answer["value"]["Result"]) == (200, [{"Version": "6.1.7600"}])
