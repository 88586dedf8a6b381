"""Devices as an administrator asks them, and what one of them reports."""

from __future__ import annotations

from typing import Any

import aiohttp

from emulator.protocol.report import Instance
from emulator.protocol.report_file import ReportFile, ReportKind
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import until
from tests.site_server.reporting import ddr, disk, exe, inventory


class Devices:
    """The v1.0 route, as an administrator uses it."""

    def __init__(self, http: aiohttp.ClientSession, server: SiteServer) -> None:
        self._http = http
        self.server = server

    async def ask(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.server.settings.role.url}/AdminService/v1.0/{path}"
        async with self._http.request(verb, url, json=body) as reply:
            return reply.status, await reply.json() if reply.content_type == "application/json" else None

    async def run(self, target: str, query: str) -> int:
        status, answer = await self.ask("POST", f"{target}/AdminService.RunCMPivot", {"InputQuery": query})
        assert status == 200, answer
        return int((answer["value"] if target.startswith("Device") else answer)["OperationId"])

    async def result(self, target: str, operation: int, of: str = "CMPivotResult") -> tuple[int, Any]:
        return await self.ask("GET", f"{target}/AdminService.{of}(OperationId={operation})")

    async def report(self, *files: ReportFile) -> None:
        for file in files:
            await self.server.inboxes.put(file.kind, file.key, file.to_bytes())

    async def reported(self) -> None:
        """One device tells all it has to tell, and the loaders are done with it."""
        told = {
            "NetbiosName": "PC01",
            "Name": "PC01",
            "IPAddresses": "10.0.0.7",
            "MACAddresses": "02:00:00:00:00:07",
            "LastLogonUserName": "alice",
            "LastLogonUserDomain": "LAB",
        }
        windows = {"Caption": "Microsoft Windows 7 Enterprise", "Version": "6.1.7600"}
        await self.report(
            ddr(told),
            inventory(
                "1.0",
                [
                    disk("C:", 100),
                    disk("D:", 2000),
                    Instance("Win32_OperatingSystem", "\\\\.\\root\\cimv2", "New", windows, "w"),
                ],
            ),
            inventory("1.0", [exe("a.exe"), exe("b.exe", "2.0")], kind=ReportKind.SOFTWARE_INVENTORY),
        )
        await until(
            lambda: self.server.database.fetchval(
                "SELECT LastHWScan IS NOT NULL AND LastSWScan IS NOT NULL AND Last_DDR_Time IS NOT NULL"
                " FROM WorkstationStatus_DATA JOIN System_DISC ON ItemKey = MachineID"
            )
        )
