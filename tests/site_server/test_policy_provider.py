"""Advertisements become policies of the clients they are for, in versions, and are withdrawn again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.protocol.resync import InventoryResyncPolicy
from emulator.protocol.software_distribution import (
    SoftwareDistributionPolicy,
    decode_policy_body,
    policy_hash,
)
from emulator.site_database import policy
from emulator.site_database.database import SiteDatabase
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, FakeDistributionPoint, add_system, dp_nal, until

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"


class ClientEyes:
    """What one client would see, asking again and again."""

    def __init__(self, db: SiteDatabase, smsid: str = SMSID) -> None:
        self._db = db
        self._smsid = smsid
        self._seen = 0
        self.assigned: dict[str, Any] = {}

    async def look(self) -> dict[str, Any]:
        changes, self._seen, _ = await policy.assignments_for(self._db, self._smsid, self._seen)
        for change in changes:
            if change.action == "delete":
                self.assigned.pop(change.assignment_id, None)
            else:
                self.assigned[change.assignment_id] = change
        return self.assigned

    async def until_seen(self, number: int, version: str | None = None) -> list[Any]:
        """Wait for that many assignments, and return their decoded policies."""

        async def seen() -> bool:
            assigned = await self.look()
            versions = {a.policy.version for a in assigned.values()}
            return len(assigned) == number and (version is None or versions == {version})

        await until(seen)
        bodies = []
        for assigned in self.assigned.values():
            body = (await policy.stored_policy(self._db, assigned.policy)).body
            assert assigned.policy_hash == policy_hash(body)
            version_in_body, decoded = decode_policy_body(body)
            assert version_in_body == assigned.policy
            bodies.append(decoded)
        return bodies


async def script(administrator: Administrator, **more: Any) -> dict[str, Any]:
    package = await administrator.new("SMS_Package", Name="Script")
    program = {"PackageID": package["PackageID"], "ProgramName": "Run"}
    await administrator.new("SMS_Program", **program, CommandLine="cmd /c exit", Duration=5)
    values = {"AdvertisementName": "a", "CollectionID": "SMS00001", **program, **more}
    return await administrator.new("SMS_Advertisement", **values)


async def client(site_server: SiteServer) -> ClientEyes:
    await add_system(site_server.database, "PC1", SMS_Unique_Identifier0=SMSID)
    return ClientEyes(site_server.database)


async def test_an_advertisement_becomes_policy(administrator: Administrator, site_server: SiteServer) -> None:
    eyes = await client(site_server)
    made = await script(administrator, PresentTime="2026-01-01T00:10:30Z", AdvertFlags=0x20,
                        RemoteClientFlags=0x800, ExpirationTime="2030-01-01T00:00:00Z")  # fmt: skip
    (policy_seen,) = await eyes.until_seen(1)
    assert isinstance(policy_seen, SoftwareDistributionPolicy)
    assert policy_seen.advertisement_id == made["AdvertisementID"]
    assert policy_seen.mandatory
    assert policy_seen.assigned_schedule == "01C16DCA00000000"
    assert policy_seen.rerun == "RerunAlways"
    assert policy_seen.active_time.isoformat() == "2026-01-01T00:10:30+00:00"
    assert policy_seen.expiration_time
    assert policy_seen.max_duration_minutes == 5
    assert not policy_seen.contains_source_files


async def test_versions_follow_changes(administrator: Administrator, site_server: SiteServer) -> None:
    eyes = await client(site_server)
    made = await script(administrator)
    key = f"SMS_Advertisement('{made['AdvertisementID']}')"
    (first,) = await eyes.until_seen(1, "1.00")
    assert not first.mandatory
    # passes without a change make no version.
    await site_server.policy_provider.work()
    await administrator.ask("PATCH", key, {"RemoteClientFlags": 0x1000})
    (second,) = await eyes.until_seen(1, "2.00")
    assert second.rerun == "NeverRerun"
    program = f"SMS_Program(PackageID='{made['PackageID']}',ProgramName='Run')"
    await administrator.ask("PATCH", program, {"CommandLine": "other"})
    (third,) = await eyes.until_seen(1, "3.00")
    assert third.command_line == "other"
    # disabled, enabled: withdrawn, and back at a version that nobody has seen.
    await administrator.ask("PATCH", program, {"ProgramFlags": 0x1000})
    await eyes.until_seen(0)
    await administrator.ask("PATCH", program, {"ProgramFlags": 0})
    await eyes.until_seen(1, "4.00")
    await administrator.ask("DELETE", key)
    await eyes.until_seen(0)


async def test_targets_follow_the_collection(administrator: Administrator, site_server: SiteServer) -> None:
    eyes = await client(site_server)
    rule = {"RuleName": "q", "QueryExpression": "select * from SMS_R_System where Name = 'PC1'"}
    lab = await administrator.new("SMS_Collection", Name="Lab", CollectionRules=[rule])
    await script(administrator, CollectionID=lab["CollectionID"])
    await eyes.until_seen(1)
    await site_server.database.execute("UPDATE System_DISC SET Name0 = 'PC2'")
    await eyes.until_seen(0)
    await site_server.database.execute("UPDATE System_DISC SET Name0 = 'PC1'")
    await eyes.until_seen(1, "1.00")
    other = await administrator.new("SMS_Collection", Name="Nobody")
    advertisements = await administrator.all("SMS_Advertisement")
    key = f"SMS_Advertisement('{advertisements[0]['AdvertisementID']}')"
    await administrator.ask("PATCH", key, {"CollectionID": other["CollectionID"]})
    await eyes.until_seen(0)


async def test_content_comes_first(
    administrator: Administrator,
    site_server: SiteServer,
    distribution_points: list[FakeDistributionPoint],
    source_folder: Path,
) -> None:
    eyes = await client(site_server)
    package = await administrator.new("SMS_Package", Name="7-Zip", PkgSourcePath=str(source_folder))
    program = {"PackageID": package["PackageID"], "ProgramName": "Install"}
    await administrator.new("SMS_Program", **program, CommandLine="setup.exe")
    await administrator.new(
        "SMS_Advertisement", AdvertisementName="a", **program, CollectionID="SMS00001", AdvertFlags=0x20
    )
    # the package is on no distribution point.
    await site_server.policy_provider.work()
    assert await eyes.look() == {}
    await administrator.new("SMS_DistributionPoint", PackageID=package["PackageID"], ServerNALPath=dp_nal(1))
    (first,) = await eyes.until_seen(1, "1.00")
    assert (first.package_version, first.content_size) == (1, 6000)
    assert first.source_hash.startswith("SHA256:")
    # a new version cannot be installed: clients keep the policy of the old one.
    distribution_points[0].refuses_with = 507
    key = f"SMS_Package('{package['PackageID']}')"
    await administrator.ask("POST", f"{key}/AdminService.RefreshPkgSource", {})
    await until(lambda: administrator.all("SMS_PackageStatus", filter="Status eq 4"))
    await site_server.policy_provider.work()
    (same,) = await eyes.until_seen(1, "1.00")
    assert same == first
    # it can: they get the next.
    distribution_points[0].refuses_with = None
    point = f"SMS_DistributionPoint(PackageID='{package['PackageID']}',ServerNALPath='{dp_nal(1)}')"
    await administrator.ask("PATCH", point, {"RefreshNow": True})
    (second,) = await eyes.until_seen(1, "2.00")
    assert second.package_version == 2


async def test_resync_is_asked_once_for_each_gap(site_server: SiteServer) -> None:
    eyes, db = await client(site_server), site_server.database
    await db.execute(
        "INSERT INTO WorkstationStatus_DATA (MachineID, ResyncRequested)"
        " SELECT ItemKey, true FROM System_DISC"
    )
    (request,) = await eyes.until_seen(1, "1.00")
    assert isinstance(request, InventoryResyncPolicy)
    assert request.action == "Hardware"
    await site_server.policy_provider.work()
    await eyes.until_seen(1, "1.00")
    await db.execute("UPDATE WorkstationStatus_DATA SET ResyncRequested = false")
    await eyes.until_seen(0)
    await db.execute("UPDATE WorkstationStatus_DATA SET ResyncRequested = true, SWResyncRequested = true")
    requests = await eyes.until_seen(2)
    assert {r.action for r in requests} == {"Hardware", "Software"}
    assert {a.policy.version for a in eyes.assigned.values()} == {"1.00", "2.00"}


async def test_one_impossible_policy_does_not_hold_up_others(
    administrator: Administrator, site_server: SiteServer
) -> None:
    eyes = await client(site_server)
    await script(administrator)
    await eyes.until_seen(1)
    bad = await administrator.new("SMS_Package", Name="bad")
    await site_server.database.execute("UPDATE SMSPackages SET Name = ']]>' WHERE Name = 'bad'")
    program = {"PackageID": bad["PackageID"], "ProgramName": "Run"}
    await administrator.new("SMS_Program", **program, CommandLine="c")
    advert = {"AdvertisementName": "bad", "CollectionID": "SMS00001", **program}
    await administrator.new("SMS_Advertisement", **advert)
    good = await script(administrator)
    await eyes.until_seen(2)
    assert good["AdvertisementID"] > bad["PackageID"]
