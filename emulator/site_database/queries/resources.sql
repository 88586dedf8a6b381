-- resource_of --
SELECT ItemKey FROM System_DISC WHERE SMS_Unique_Identifier0 = $1

-- resources_of --
SELECT SMS_Unique_Identifier0 AS smsid, ItemKey AS resource, Netbios_Name0 AS name
FROM System_DISC WHERE SMS_Unique_Identifier0 = ANY($1::text[])

-- resource_merge --
-- Only forward in time: an old heartbeat that was held back somewhere changes nothing.
INSERT INTO System_DISC AS held (
    SMS_Unique_Identifier0, Name0, Netbios_Name0, Resource_Domain_OR_Workgr0, Client_Version0, AD_Site_Name0,
    User_Name0, Operating_System_Name_and0, IP_Addresses0, IP_Subnets0, MAC_Addresses0, Resource_Names0,
    SMS_Assigned_Sites0, Creation_Date0, Last_DDR_Time, SMBIOS_GUID0, Client0, Client_Type0)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, 1, 1)
ON CONFLICT (SMS_Unique_Identifier0) DO UPDATE SET
    Name0 = excluded.Name0, Netbios_Name0 = excluded.Netbios_Name0,
    Resource_Domain_OR_Workgr0 = coalesce(excluded.Resource_Domain_OR_Workgr0, held.Resource_Domain_OR_Workgr0),
    Client_Version0 = coalesce(excluded.Client_Version0, held.Client_Version0),
    AD_Site_Name0 = coalesce(excluded.AD_Site_Name0, held.AD_Site_Name0),
    User_Name0 = coalesce(excluded.User_Name0, held.User_Name0),
    Operating_System_Name_and0 = coalesce(excluded.Operating_System_Name_and0, held.Operating_System_Name_and0),
    SMBIOS_GUID0 = coalesce(excluded.SMBIOS_GUID0, held.SMBIOS_GUID0),
    IP_Addresses0 = excluded.IP_Addresses0, IP_Subnets0 = excluded.IP_Subnets0,
    MAC_Addresses0 = excluded.MAC_Addresses0, Resource_Names0 = excluded.Resource_Names0,
    SMS_Assigned_Sites0 = excluded.SMS_Assigned_Sites0, Last_DDR_Time = excluded.Last_DDR_Time,
    Client0 = 1, Client_Type0 = 1, Active0 = 1, Obsolete0 = 0
WHERE held.Last_DDR_Time IS NULL OR held.Last_DDR_Time <= excluded.Last_DDR_Time
RETURNING ItemKey

-- MP_GetMachineUsers --
SELECT User_Name0 AS name FROM System_DISC WHERE SMS_Unique_Identifier0 = $1 AND User_Name0 <> ''
