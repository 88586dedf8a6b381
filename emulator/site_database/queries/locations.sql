-- MP_GetContentDPInfo --
-- Installed in just this version, still wanted there, and on a site system that the site still has.
SELECT t.PkgServer AS nal_path, t.HTTPUrl AS url, r.ServerName AS server,
    r.ServerRemoteName AS server_remote_name, t.SourceVersion AS version, p.PkgFlags AS package_flags,
    CASE WHEN p.StoredPkgVersion = t.SourceVersion THEN p.PkgSourceHash ELSE '' END AS content_hash
FROM PkgStatus t
JOIN SMSPackages p ON p.PkgID = t.ID
JOIN PkgServers s ON s.PkgID = t.ID AND s.NALPath = t.PkgServer AND s.Action <> 3
JOIN SysResList r ON r.NALPath = t.PkgServer AND r.RoleName = 'SMS Distribution Point'
WHERE t.ID = $1 AND t.SourceVersion = CASE WHEN $2 = 0 THEN p.StoredPkgVersion ELSE $2 END AND t.Status = 3
ORDER BY t.PkgServer

-- MP_GetDistributionPoints --
SELECT Url AS url, ServerName AS server, ServerRemoteName AS server_remote_name
FROM SysResList WHERE SiteCode = $1 AND RoleName = 'SMS Distribution Point' ORDER BY NALPath

-- MP_GetClientID --
-- Hardware counts more than a name, and what was heard of last more than an older record.
SELECT ItemKey AS item_key, SMS_Unique_Identifier0 AS client_id, Netbios_Name0 AS netbios_name
FROM System_DISC
WHERE Obsolete0 = 0 AND SMS_Unique_Identifier0 IS NOT NULL AND (
    ($1 <> '' AND upper(regexp_replace(SMBIOS_GUID0, '[^0-9A-Fa-f]', '', 'g')) = $1)
    OR (cardinality($2::text[]) > 0 AND EXISTS (
        SELECT FROM unnest(MAC_Addresses0) AS mac
        WHERE upper(regexp_replace(mac, '[^0-9A-Fa-f]', '', 'g')) = ANY ($2)))
    OR ($3 <> '' AND lower(Netbios_Name0) = lower($3)))
ORDER BY ($1 <> '' AND upper(regexp_replace(SMBIOS_GUID0, '[^0-9A-Fa-f]', '', 'g')) = $1) IS TRUE DESC,
    EXISTS (SELECT FROM unnest(MAC_Addresses0) AS mac
        WHERE upper(regexp_replace(mac, '[^0-9A-Fa-f]', '', 'g')) = ANY ($2)) DESC,
    Last_DDR_Time DESC NULLS LAST, ItemKey DESC
LIMIT 1
