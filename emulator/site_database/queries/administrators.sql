-- rbac_is_administrator --
SELECT EXISTS (SELECT FROM RBAC_Admins WHERE lower(LogonName) = lower($1) AND $2 = ANY (RoleNames))

-- rbac_enter --
-- Who stands in the topology is an administrator, whatever was made of the account before.
INSERT INTO RBAC_Admins AS held
    (LogonName, DisplayName, RoleIDs, RoleNames, CategoryIDs, CategoryNames, CollectionNames, OfTopology, SourceSite,
     CreatedBy, CreatedDate)
VALUES ($1, $1, ARRAY[$2], ARRAY[$3], ARRAY['SMS00ALL'], ARRAY['All'], ARRAY['All Systems'], true, $4, $5, $6)
ON CONFLICT (lower(LogonName)) DO UPDATE SET OfTopology = true,
    RoleIDs = excluded.RoleIDs, RoleNames = excluded.RoleNames

-- rbac_forget_others --
DELETE FROM RBAC_Admins WHERE OfTopology AND lower(LogonName) <> ALL ($1::text[])

-- adusrdis_user --
INSERT INTO User_DISC AS held
    (Unique_User_Name0, User_Name0, Windows_NT_Domain0, Full_Domain_Name0, Full_User_Name0, Distinguished_Name0,
     User_Principal_Name0, User_Account_Control0, Creation_Date0)
VALUES ($1, $2, $3, $4, $5, $6, $7, 512, $8)
ON CONFLICT (lower(Unique_User_Name0)) DO NOTHING
