"""The policy that advertises a program: an instance of ``CCM_SoftwareDistribution``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from emulator.errors import MalformedMessage
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import (
    Value,
    cim_datetime,
    decode_body,
    encode_body,
    policy_hash,
    read_cim_datetime,
)
from emulator.protocol.resync import RESYNC_CLASS, InventoryResyncPolicy
from emulator.protocol.xml import INT64_MAX, number

__all__ = ["CATEGORY", "SoftwareDistributionPolicy", "decode_policy_body", "policy_hash"]

CATEGORY = "SoftwareDistribution"
CLASS = "CCM_SoftwareDistribution"
RERUN_BEHAVIOURS = ("RerunAlways", "NeverRerun", "RerunIfFail", "RerunIfSuccess")


@dataclass(frozen=True, slots=True)
class SoftwareDistributionPolicy:
    """One advertisement, as the client needs to know it."""

    advertisement_id: str
    package_id: str
    package_name: str
    package_version: int  # PKG_SourceVersion
    content_size: int  # bytes
    source_hash: str  # of the whole package, see protocol/content.py; empty without source files
    contains_source_files: bool
    program_name: str
    command_line: str
    mandatory: bool
    active_time: datetime
    expiration_time: datetime | None = None
    assigned_schedule: str = ""  # tokens of 16 hex characters
    rerun: str = "RerunIfFail"
    persist_in_cache: bool = False
    max_duration_minutes: int = 0  # 0 = unknown
    dependent_program: str = ""
    success_codes: tuple[int, ...] = (0,)
    reboot_codes: tuple[int, ...] = (1604, 1641, 3010, 3011)

    def to_body(self, policy: PolicyVersion, site_code: str) -> bytes:
        """The policy body, as it is kept and served."""
        values: dict[str, Value] = {
            "ADV_AdvertisementID": self.advertisement_id,
            "ADV_ActiveTime": cim_datetime(self.active_time),
            "ADV_ActiveTimeIsGMT": True,
            "ADV_ExpirationTime": cim_datetime(self.expiration_time) if self.expiration_time else "",
            "ADV_ExpirationTimeIsGMT": True,
            "ADV_MandatoryAssignments": self.mandatory,
            "ADV_AssignedSchedule": self.assigned_schedule,  # property name is our choice
            "ADV_RepeatRunBehavior": self.rerun,
            "PKG_PackageID": self.package_id,
            "PKG_Name": self.package_name,
            "PKG_SourceVersion": self.package_version,
            "PKG_ContentSize": self.content_size,
            "PKG_SourceHash": self.source_hash,
            "PKG_PSF_ContainsSourceFiles": self.contains_source_files,
            "PKG_PersistInCache": self.persist_in_cache,
            "PRG_ProgramName": self.program_name,
            "PRG_CommandLine": self.command_line,
            "PRG_MaxDuration": self.max_duration_minutes,
            "PRG_DependentPolicy": self.dependent_program,
            "PRG_CustomSuccessReturnCodes": self.success_codes,
            "PRG_CustomRebootReturnCodes": self.reboot_codes,
        }
        return encode_body(policy, site_code, CLASS, values)

    @classmethod
    def from_body(cls, body: bytes) -> tuple[PolicyVersion, SoftwareDistributionPolicy]:
        """Raises MalformedMessage: it is another policy, or none."""
        instance = decode_body(body)
        if instance.class_name != CLASS:
            raise MalformedMessage(f"a policy of {instance.class_name}, expected {CLASS}", raw=body[:200])
        return instance.policy, _read(instance.properties)


def _read(values: Mapping[str, str]) -> SoftwareDistributionPolicy:
    def text(name: str) -> str:
        if name not in values:
            raise MalformedMessage(f"the property {name} is missing")
        return values[name]

    rerun = text("ADV_RepeatRunBehavior")
    if rerun not in RERUN_BEHAVIOURS:
        raise MalformedMessage(f"ADV_RepeatRunBehavior {rerun!r}; valid: {', '.join(RERUN_BEHAVIOURS)}")
    expiration = text("ADV_ExpirationTime")
    return SoftwareDistributionPolicy(
        advertisement_id=text("ADV_AdvertisementID"),
        package_id=text("PKG_PackageID"),
        package_name=text("PKG_Name"),
        package_version=number(text("PKG_SourceVersion"), "PKG_SourceVersion", low=0),
        content_size=number(text("PKG_ContentSize"), "PKG_ContentSize", low=0, high=INT64_MAX),
        source_hash=text("PKG_SourceHash"),
        contains_source_files=text("PKG_PSF_ContainsSourceFiles") == "true",
        program_name=text("PRG_ProgramName"),
        command_line=text("PRG_CommandLine"),
        mandatory=text("ADV_MandatoryAssignments") == "true",
        active_time=read_cim_datetime(text("ADV_ActiveTime")),
        expiration_time=read_cim_datetime(expiration) if expiration else None,
        assigned_schedule=text("ADV_AssignedSchedule"),
        rerun=rerun,
        persist_in_cache=text("PKG_PersistInCache") == "true",
        max_duration_minutes=number(text("PRG_MaxDuration"), "PRG_MaxDuration", low=0),
        dependent_program=text("PRG_DependentPolicy"),
        success_codes=_codes(text("PRG_CustomSuccessReturnCodes")),
        reboot_codes=_codes(text("PRG_CustomRebootReturnCodes")),
    )


def _codes(text: str) -> tuple[int, ...]:
    # An exit code is read as Windows shows it, signed or not: 2147944309 and -2147023187 both occur.
    return tuple(number(code, "an exit code", high=2**32 - 1) for code in text.split(",") if code.strip())


def decode_policy_body(
    body: bytes,
) -> tuple[PolicyVersion, SoftwareDistributionPolicy | InventoryResyncPolicy]:
    """Read a policy body of any kind that our clients act on.

    Raises:
        MalformedMessage: it is none of them.
    """
    if decode_body(body).class_name == RESYNC_CLASS:
        return InventoryResyncPolicy.from_body(body)
    return SoftwareDistributionPolicy.from_body(body)
