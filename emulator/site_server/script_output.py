"""What a device answers to a script: never by running it.

A few read-only commands are recognised, and their output is made from what the device reported. A script
of nothing but those has the output of each. Any other is not executed, anywhere, and its output says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.site_database import operations
from emulator.site_database.database import Database, Record

MAX_STATEMENTS = 200
NOT_EXECUTED = 1  # ScriptExitCode

Lines = list[str]
Reported = Mapping[str, Any]  # class name -> its first instance


def _hostname(device: Record, reported: Reported) -> Lines:
    return [str(device["name0"])]


def _whoami(device: Record, reported: Reported) -> Lines:
    return ["nt authority\\system"]  # the account that the product runs scripts under


def _ipconfig(device: Record, reported: Reported) -> Lines:
    lines = ["Windows IP Configuration", ""]
    lines += [f"   IPv4 Address. . . . . . . . . . . : {one}" for one in device["ip_addresses0"]]
    return lines + [f"   Physical Address. . . . . . . . . : {one}" for one in device["mac_addresses0"]]


def _computer_info(device: Record, reported: Reported) -> Lines:
    system = reported.get("Win32_ComputerSystem", {})
    windows = reported.get("Win32_OperatingSystem", {})
    bios = reported.get("Win32_BIOS", {})
    told = {
        "CsName": device["name0"],
        "CsDomain": system.get("Domain"),
        "CsManufacturer": system.get("Manufacturer"),
        "CsModel": system.get("Model"),
        "OsName": windows.get("Caption"),
        "OsVersion": windows.get("Version"),
        "BiosSeralNumber": bios.get("SerialNumber"),  # spelled so by PowerShell
    }
    return [f"{name:<20}: {value}" for name, value in told.items() if value is not None]


COMMANDS: dict[str, Callable[[Record, Reported], Lines]] = {
    r"hostname(\.exe)?|\$env:computername": _hostname,
    r"whoami(\.exe)?": _whoami,
    r"ipconfig(\.exe)?( /all)?": _ipconfig,
    r"get-computerinfo": _computer_info,
}
CLASSES = ("Win32_ComputerSystem", "Win32_OperatingSystem", "Win32_BIOS")


async def result_of(db: Database, device: Record, script: str) -> dict[str, object]:
    """One device's row of ``ScriptResult``; ``ScriptOutput`` is a JSON list of lines, as a text."""
    commands = _recognised(script)
    reported = {}
    for class_name in CLASSES:
        instances = await operations.instances(db, device["itemkey"], class_name)
        if instances:
            reported[class_name] = instances[0]
    if commands is None:
        lines = [
            "The script was not executed: this site runs no scripts.",
            f"It was meant for {device['name0']} ({device['itemkey']}).",
        ]
    else:
        lines = [line for command in commands for line in command(device, reported)]
    return {
        "DeviceName": device["name0"],
        "ResourceId": device["itemkey"],
        "ScriptExecutionState": 1,
        "ScriptExitCode": NOT_EXECUTED if commands is None else 0,
        "ScriptOutput": json.dumps(lines),
    }


def _recognised(script: str) -> list[Callable[[Record, Reported], Lines]] | None:
    """The commands of a script, if it has no others."""
    found: list[Callable[[Record, Reported], Lines]] = []
    statements = [part.strip() for part in re.split(r"[\r\n;]+", re.sub(r"#[^\r\n]*", "", script))]
    for statement in filter(None, statements):
        command = next((c for p, c in COMMANDS.items() if re.fullmatch(p, statement, re.IGNORECASE)), None)
        if command is None or len(found) >= MAX_STATEMENTS:
            return None
        found.append(command)
    return found or None
