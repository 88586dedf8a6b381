-- directory_store --
-- What a discovery record leaves out stays as it was known; a record that says nothing new writes nothing.
UPDATE System_DISC SET
    SMS_Installed_Sites0 = told.Sites, User_Domain0 = told.UserDomain, Full_Domain_Name0 = told.DomainName,
    Distinguished_Name0 = told.DistinguishedName, Primary_Group_ID0 = told.PrimaryGroup, SID0 = told.SID
FROM (
    SELECT ItemKey AS Machine,
        CASE WHEN cardinality($2::text[]) > 0 THEN $2 ELSE SMS_Installed_Sites0 END AS Sites,
        coalesce($3, User_Domain0) AS UserDomain, coalesce($4, Full_Domain_Name0) AS DomainName,
        coalesce($5, Distinguished_Name0) AS DistinguishedName,
        coalesce($6::integer, Primary_Group_ID0) AS PrimaryGroup, coalesce($7, SID0) AS SID
    FROM System_DISC WHERE ItemKey = $1
) AS told
WHERE ItemKey = told.Machine
  AND (SMS_Installed_Sites0, User_Domain0, Full_Domain_Name0, Distinguished_Name0, Primary_Group_ID0, SID0)
    IS DISTINCT FROM (told.Sites, told.UserDomain, told.DomainName, told.DistinguishedName, told.PrimaryGroup, told.SID)
