"""The classes an administrator reads: one row a class, one word a property.

A property is ``Name``, ``Name:kind`` or ``Name:kind=column``; ``*`` before it marks the key. A table
that is ``-`` means that a site of this kind has none of these objects: the class is known, and empty.
"""

from __future__ import annotations

from typing import cast

from emulator.site_database.condition import CASTS, Kind
from emulator.site_server.provider_class import Place, Property, ProviderClass

ROWS: dict[tuple[str, str], str] = {
    ("SMS_Site", "v_Site"):
        "*SiteCode SiteName ServerName Version BuildNumber:integer Type:integer Status:integer DefaultMP",
    ("SMS_SystemResourceList", "v_SystemResourceList"):
        "*NALPath *RoleName ServerName ServerRemoteName SiteCode Url",
    ("SMS_FullCollectionMembership", "v_FullCollectionMembership"):
        "*CollectionID *ResourceID:integer ResourceType:integer Name SMSID IsDirect:boolean",
    ("SMS_CollectionMember_a", "v_FullCollectionMembership"):
        "*CollectionID *ResourceID:integer ResourceType:integer Name SMSID IsDirect:boolean",
    ("SMS_R_User", "User_DISC"):
        "*ResourceId:integer=ItemKey ResourceType:integer=DiscArchKey Name=Unique_User_Name0 "
        "UniqueUserName=Unique_User_Name0 UserName=User_Name0 WindowsNTDomain=Windows_NT_Domain0 "
        "FullDomainName=Full_Domain_Name0 FullUserName=Full_User_Name0 DistinguishedName=Distinguished_Name0 "
        "Mail=Mail0 NetworkOperatingSystem=Network_Operating_System0 SID=SID0 "
        "UserAccountControl:integer=User_Account_Control0 UserPrincipalName=User_Principal_Name0 "
        "CreationDate:datetime=Creation_Date0",
    ("SMS_UserMachineRelationship", "v_UserMachineRelationship"):
        "*RelationshipResourceID:integer *ResourceID:integer ResourceName UniqueUserName IsActive:boolean",
    ("SMS_SCI_SysResUse", "v_SiteSystemUse"): "*NALPath *RoleName NetworkOSPath SiteCode ItemType",
    ("SMS_SCI_Reserved", "-"): "*ItemName *SiteCode UserName Reserved2 AccountUsage:strings",
    ("SMS_SCI_SCProperty", "-"): "*ItemName *PropertyName SiteCode Value:integer Value1 Value2",
    ("SMS_SCI_Component", "-"): "*ItemName *SiteCode ComponentName ItemType",
    ("SMS_AAD_Application_Ex", "-"): "*ClientID Name SecretKey TenantID:integer",
    ("SMS_AAD_Tenant_Ex", "-"): "*ID:integer Name TenantID",
    ("SMS_ConsoleAdminsData", "-"): "*UserName *MachineName Source ConsoleVersion SiteCode",
    ("SMS_PackageStatus", "v_PackageStatus"):
        "*PackageID *ServerNALPath SiteCode Type:integer Status:integer SourceVersion:integer "
        "Attempts:integer LastError HTTPUrl UpdateTime:datetime",
    ("SMS_StatusMessage", "v_StatusMessage"):
        "*RecordID:integer MessageID:integer MessageType:integer Severity:integer ModuleName Component "
        "MachineName SiteCode Time:datetime EventClass",
    ("SMS_StatMsgInsStrings", "v_StatMsgInsStrings"): "*RecordID:integer *InsStrIndex:integer InsStrValue",
    ("SMS_StatMsgAttributes", "v_StatMsgAttributes"):
        "*RecordID:integer *AttributeID:integer *AttributeValue AttributeTime:datetime",
    ("SMS_ClientAdvertisementStatus", "v_ClientAdvertisementStatus"):
        "*AdvertisementID *ResourceID:integer LastState:integer LastStateName LastStatusMessageID:integer "
        "LastStatusMessageIDName LastStatusMessageIDSeverity:integer LastStatusTime:datetime "
        "LastExecutionResult Runs:integer LastAcceptanceMessageID:integer LastAcceptanceMessageIDName "
        "LastAcceptanceMessageIDSeverity:integer LastAcceptanceState:integer LastAcceptanceStateName "
        "LastAcceptanceStatusTime:datetime",
    ("SMS_AdvertisementInfo", "v_Advertisement"):
        "*AdvertisementID AdvertisementName PackageID ProgramName CollectionID SourceSite "
        "PresentTime:datetime",
    ("SMS_AdvertisementStatusSummarizer", "v_AdvertisementStatusSummarizer"):
        "*AdvertisementID *SiteCode AdvertisementsReceived:integer AdvertisementsFailed:integer "
        "ProgramsStarted:integer ProgramsSucceeded:integer ProgramsFailed:integer",
    ("SMS_CurrentAdvertisementAssignments", "v_CurrentAdvertisementAssignments"):
        "*AdvertisementID *ResourceID:integer",
    ("SMS_G_System_Inventory", "v_GS_Inventory"):
        "*ResourceID:integer *ClassName *InstanceKey RevisionID:integer Properties:json TimeStamp:datetime",
    ("SMS_G_System_SoftwareFile", "v_GS_SoftwareFile"):
        "*ResourceID:integer *FilePath *FileName FileVersion FileSize:integer ModifiedDate ProductName "
        "CompanyName",
    ("SMS_G_System_WORKSTATION_STATUS", "v_GS_WORKSTATION_STATUS"):
        "*ResourceID:integer LastHWScan:datetime LastReportVersion LastSWScan:datetime LastSWReportVersion "
        "ResyncRequested:boolean",
    ("SMS_MeterData", "v_MeterData"):
        "*ResourceID:integer *MeterDataID UserName ProductName FileName StartTime:datetime EndTime:datetime "
        "Status:integer",
    ("SMS_StateMessage", "v_StateMessage"):
        "*ResourceID:integer *SerialNumber:integer TopicType:integer TopicID StateID:integer StateDetails "
        "MessageTime:datetime",
}  # fmt: skip


def read_only_classes(place: Place) -> list[ProviderClass]:
    """One class for every row."""
    classes = []
    for (name, table), words in ROWS.items():
        properties = tuple(_property(word) for word in words.split())
        if table == "-":
            table = nothing(name, properties)
        made = type(name, (ProviderClass,), {"name": name, "table": table, "properties": properties})
        classes.append(cast(ProviderClass, made(place)))
    return classes


def _property(word: str) -> Property:
    rest, _, column = word.removeprefix("*").partition("=")
    name, _, kind = rest.partition(":")
    return Property(name, column, kind=cast(Kind, kind or "string"), key=word.startswith("*"))


def nothing(name: str, properties: tuple[Property, ...]) -> str:
    """A table without rows that has these columns."""
    types = {p.name: "text[]" if p.kind == "strings" else CASTS[p.kind] for p in properties}
    columns = ", ".join(f"NULL::{sql} AS {column}" for column, sql in types.items())
    return f"(SELECT {columns} WHERE false) AS {name}"
