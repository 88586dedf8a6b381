"""SMS_R_System and the users of a domain, as public clients ask for them."""

from __future__ import annotations

import pytest

from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, add_system, until
from tests.site_server.reporting import SMSID, ddr

HUNTED = (
    "Active,Client,DistinguishedName,FullDomainName,IPAddresses,\n        LastLogonUserDomain,"
    "LastLogonUserName,Name,"
    "OperatingSystemNameandVersion,PrimaryGroupID,\n        ResourceId,ResourceNames,SID,SMSInstalledSites,"
    "SMSUniqueIdentifier"
)


@pytest.mark.proves("adminservice.system")
async def test_a_discovered_system(administrator: Administrator, site_server: SiteServer) -> None:
    told = {
        "NetbiosName": "PC1",
        "Name": "PC1",
        "IPAddresses": "10.0.0.7, fe80::1",
        "LastLogonUserName": "alice",
        "LastLogonUserDomain": "LAB",
        "FullDomainName": "LAB.TEST",
        "DistinguishedName": "CN=PC1,DC=lab,DC=test",
        "PrimaryGroupID": "515",
        "SID": "S-1-5-21-1-1104",
        "SMSInstalledSites": "S01",
    }
    report = ddr(told)
    await site_server.inboxes.put(report.kind, report.key, report.to_bytes())
    (found,) = await until(
        lambda: administrator.all("SMS_R_System", filter="LastLogonUsername eq 'ALICE' ", select=HUNTED)
    )
    assert list(found) == [name.strip() for name in HUNTED.split(",")]
    assert found["IPAddresses"] == ["10.0.0.7", "fe80::1"]
    assert (found["FullDomainName"], found["LastLogonUserDomain"]) == ("LAB.TEST", "LAB")
    assert (found["PrimaryGroupID"], found["SID"]) == (515, "S-1-5-21-1-1104")
    assert (found["SMSInstalledSites"], found["SMSUniqueIdentifier"]) == (["S01"], SMSID)
    one = await administrator.one(f"SMS_R_System({found['ResourceId']})")
    assert one["@odata.etag"] == f"ResourceId={found['ResourceId']}"
    assert one["__LAZYPROPERTIES"] == []


@pytest.mark.proves("adminservice.user", "adminservice.user-machine-relationship")
async def test_users_of_the_domain_and_their_computers(
    administrator: Administrator, site_server: SiteServer
) -> None:
    (alice,) = await administrator.all("SMS_R_User", filter="UserName eq 'alice' ")
    assert alice["UniqueUserName"] == "LAB\\alice"
    assert alice["UserPrincipalName"] == "alice@lab.test"
    assert {one["UserName"] for one in await administrator.all("SMS_R_User")} == {
        "administrator",
        "second",
        "alice",
    }  # the computer's account is no user
    resource = await add_system(site_server.database, "PC1", User_Name0="Alice", User_Domain0="lab")
    (related,) = await administrator.all(
        "SMS_UserMachineRelationship", filter="endswith(UniqueUsername,'alice') "
    )
    assert related["ResourceID"] == resource
    assert related["RelationshipResourceID"] == alice["ResourceId"]
    assert (related["ResourceName"], related["IsActive"]) == ("PC1", True)
