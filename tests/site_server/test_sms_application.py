"""Applications and their assignments, made and taken back."""

from __future__ import annotations

import pytest

from tests.site_server.lab import Administrator

DIGEST = """<?xml version="1.0" encoding="utf-16"?>
<AppMgmtDigest xmlns="http://schemas.microsoft.com/SystemCenterConfigurationManager/2009/AppMgmtDigest">
 <Application AuthoringScopeId="ScopeId_1" LogicalName="Application_2" Version="1">
  <DisplayInfo DefaultLanguage="en-US"><Info Language="en-US"><Title>calc</Title></Info></DisplayInfo>
 </Application>
 <DeploymentType AuthoringScopeId="ScopeId_1" LogicalName="DeploymentType_3" Version="1">
  <Installer Technology="Script"><ExecutionContext>User</ExecutionContext></Installer>
 </DeploymentType>
</AppMgmtDigest>"""


@pytest.mark.proves("adminservice.application", "adminservice.application-assignment")
async def test_an_application_is_made_deployed_and_taken_back(administrator: Administrator) -> None:
    made = await administrator.new("SMS_Application", SDMPackageXML=DIGEST, IsHidden=True)
    identity = made["CI_ID"]
    (listed,) = await administrator.all("SMS_Application", filter="LocalizedDisplayName eq 'calc'")
    assert listed["CI_UniqueID"] == "ScopeId_1/Application_2/1"
    assert (listed["IsHidden"], listed["IsDeployed"], listed["ExecutionContext"]) == (True, False, 1)
    assert "SDMPackageXML" not in listed
    assert (await administrator.one(f"SMS_Application({identity})"))["SDMPackageXML"] == DIGEST
    deployment = {
        "ApplicationName": "calc",
        "AssignmentName": "calc_Install",
        "AssignmentAction": 2,
        "AssignedCIs": [identity],
        "CollectionName": "All Systems",
        "EnforcementDeadline": "2026-11-23T12:00:00Z",
        "NotifyUser": False,
        "SuppressReboot": 0,
        "SourceSite": "S01",
        "TargetCollectionID": "SMS00001",
        "UseGMTTimes": True,
    }
    assigned = await administrator.new("SMS_ApplicationAssignment", **deployment)
    assert assigned["AssignedCIs"] == [identity]
    (found,) = await administrator.all("SMS_ApplicationAssignment", filter="AssignmentName eq 'calc_Install'")
    assert (found["CollectionName"], found["AssignmentAction"], found["NotifyUser"]) == (
        "All Systems",
        2,
        False,
    )
    selected = (
        "ApplicationName,AssignedCI_UniqueID,AssignedCIs,AssignmentName,CollectionName,Enabled,NotifyUser"
    )
    (narrow,) = await administrator.all("SMS_ApplicationAssignment", select=selected)
    assert ",".join(narrow) == selected

    address = f"SMS_Application({identity})"
    assert (await administrator.ask("DELETE", address))[0] == 409  # deployed
    assert (await administrator.ask("DELETE", f"SMS_ApplicationAssignment/{found['AssignmentID']}"))[0] == 204
    assert (await administrator.ask("DELETE", address))[0] == 409  # not retired
    status, _ = await administrator.ask("POST", f"{address}/AdminService.SetIsExpired", {"Expired": True})
    assert status == 201
    assert (await administrator.ask("DELETE", address))[0] == 204
    assert await administrator.all("SMS_Application") == []
