"""A made-up computer: what a client's inventory finds, the same for the same seed.

Nothing of the machine this runs on is looked at.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

Properties = dict[str, str]
Instances = dict[tuple[str, str], Properties]  # (class, key) -> properties

_MODELS = [("Contoso", "Optimum 740"), ("Fabrikam", "ThinkStation 4"), ("Northwind", "Latitude D630")]
_PROCESSORS = ["Intel(R) Core(TM)2 Duo CPU E8400 @ 3.00GHz", "AMD Athlon(tm) 64 X2 Dual Core 4400+"]
_SYSTEMS = [
    ("Microsoft Windows XP Professional", "5.1.2600"),
    ("Microsoft Windows Vista Enterprise", "6.0.6001"),
    ("Microsoft Windows 7 Enterprise", "6.1.7600"),
]
_USERS = ["alice", "bob", "carol", "dave"]
_FILES = [
    "notepad.exe",
    "winword.exe",
    "excel.exe",
    "iexplore.exe",
    "calc.exe",
    "outlook.exe",
    "acrord32.exe",
]


@dataclass(frozen=True, slots=True)
class Machine:
    """One computer, described by its seed; changes a little from one look to the next."""

    name: str
    domain: str
    seed: int

    def _random(self, stream: str) -> random.Random:
        return random.Random(f"{self.seed}/{self.name}/{stream}")

    def hardware(self, look: int, installed: list[str]) -> Instances:
        """What the hardware inventory finds at the so-manieth look, with these programs installed."""
        chance = self._random("hardware")
        maker, model = chance.choice(_MODELS)
        caption, version = chance.choice(_SYSTEMS)
        memory = chance.choice([1, 2, 4]) * 1024 * 1024
        disk = chance.choice([80, 160, 250]) * 1024
        mac = ":".join(["02", *(f"{chance.randrange(256):02X}" for _ in range(5))])
        serial = f"{chance.randrange(16**8):08X}"
        free = int(disk * 0.6) - self._random(f"disk/{look}").randrange(512)
        found: Instances = {
            ("Win32_ComputerSystem", self.name): {
                "Name": self.name,
                "Domain": self.domain,
                "Manufacturer": maker,
                "Model": model,
                "NumberOfProcessors": "1",
                "TotalPhysicalMemory": str(memory),
            },
            ("Win32_OperatingSystem", caption): {
                "Name": caption,
                "Caption": caption,
                "Version": version,
                "CSName": self.name,
                "TotalVisibleMemorySize": str(memory),
            },
            ("Win32_Processor", "CPU0"): {"DeviceID": "CPU0", "Name": chance.choice(_PROCESSORS)},
            ("Win32_BIOS", serial): {"SerialNumber": serial, "Manufacturer": maker},
            ("Win32_LogicalDisk", "C:"): {"DeviceID": "C:", "Size": str(disk), "FreeSpace": str(free)},
            ("Win32_NetworkAdapter", "1"): {"DeviceID": "1", "MACAddress": mac, "Name": "Ethernet adapter"},
        }
        for program in installed:
            found["Win32Reg_AddRemovePrograms", program] = {"ProdID": program, "DisplayName": program}
        return found

    def files(self) -> Instances:
        """What the software inventory finds."""
        chance = self._random("software")
        found: Instances = {}
        for file in sorted(chance.sample(_FILES, 5)):
            path = "C:\\Program Files\\" + file.removesuffix(".exe").capitalize() + "\\"
            found["FileSystemFile", path + file] = {
                "Name": file,
                "Path": path,
                "CompanyName": "Contoso",
                "ProductName": file.removesuffix(".exe").capitalize(),
                "ProductVersion": f"{chance.randrange(1, 12)}.0",
                "FileVersion": f"{chance.randrange(1, 12)}.0.{chance.randrange(9999)}",
                "Size": str(chance.randrange(20_000, 9_000_000)),
            }
        return found

    def discovery(self, smsid: str, site_code: str, ip_address: str, subnet: str, ad_site: str) -> Properties:
        """What heartbeat discovery tells; names are those of SMS_R_System."""
        hardware = self.hardware(0, [])
        adapter = hardware["Win32_NetworkAdapter", "1"]
        system = next(p for (cls, _), p in hardware.items() if cls == "Win32_OperatingSystem")
        domain = self.domain.split(".")[0].upper()
        return {
            "NetbiosName": self.name,
            "Name": self.name,
            "SMSUniqueIdentifier": smsid,
            "ResourceDomainORWorkgroup": domain,
            "FullDomainName": self.domain.upper(),
            "LastLogonUserName": self._random("user").choice(_USERS),
            "LastLogonUserDomain": domain,
            "SMSAssignedSites": site_code,
            "SMSInstalledSites": site_code,
            "IPAddresses": ip_address,
            "IPSubnets": subnet,
            "MACAddresses": adapter["MACAddress"],
            "ADSiteName": ad_site,
            "OperatingSystemNameandVersion": f"Microsoft Windows NT Workstation {system['Version'][:3]}",
            "Client": "1",
            "ClientType": "1",
        }
