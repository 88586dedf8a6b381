"""SMS_R_System: a discovered computer. Discovery makes it; an administrator may delete it."""

from __future__ import annotations

from emulator.site_database import provider
from emulator.site_database.database import Session
from emulator.site_server.provider_class import Key, Property, ProviderClass


class SmsSystem(ProviderClass):
    name = "SMS_R_System"
    table = "System_DISC"
    properties = (
        Property("ResourceId", "ItemKey", "integer", key=True),  # so spelled by the AdminService
        Property("ResourceType", "DiscArchKey", "integer"),
        Property("Name", "Name0"),
        Property("NetbiosName", "Netbios_Name0"),
        Property("ResourceDomainORWorkgroup", "Resource_Domain_OR_Workgr0"),
        Property("SMSUniqueIdentifier", "SMS_Unique_Identifier0"),
        Property("Client", "Client0", "integer"),
        Property("ClientType", "Client_Type0", "integer"),
        Property("ClientVersion", "Client_Version0"),
        Property("Active", "Active0", "integer"),
        Property("Obsolete", "Obsolete0", "integer"),
        Property("ADSiteName", "AD_Site_Name0"),
        Property("LastLogonUserName", "User_Name0"),
        Property("LastLogonUserDomain", "User_Domain0"),
        Property("FullDomainName", "Full_Domain_Name0"),
        Property("DistinguishedName", "Distinguished_Name0"),
        Property("PrimaryGroupID", "Primary_Group_ID0", "integer"),
        Property("SID", "SID0"),
        Property("OperatingSystemNameandVersion", "Operating_System_Name_and0"),
        Property("IPAddresses", "IP_Addresses0", "strings"),
        Property("IPSubnets", "IP_Subnets0", "strings"),
        Property("MACAddresses", "MAC_Addresses0", "strings"),
        Property("ResourceNames", "Resource_Names0", "strings"),
        Property("SMSAssignedSites", "SMS_Assigned_Sites0", "strings"),
        Property("SMSInstalledSites", "SMS_Installed_Sites0", "strings"),
        Property("CreationDate", "Creation_Date0", "datetime"),
    )

    async def delete(self, session: Session, key: Key) -> None:
        """What was reported of the computer goes with it; its next heartbeat discovers it anew."""
        await provider.delete(session, self.table, self.by_column(key))
