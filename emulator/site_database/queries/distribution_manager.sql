-- distmgr_packages_to_store --
SELECT PkgID, Name, Source, PkgSourceFlag, SourceVersion FROM SMSPackages
WHERE SourceVersion <> StoredPkgVersion AND ActionInProgress <> 3 ORDER BY Priority, PkgID

-- distmgr_stored --
-- Nobody asked for yet another version meanwhile, or this one is already history.
UPDATE SMSPackages SET StoredPkgVersion = $2, PkgSourceHash = $3, SourceSize = $4
WHERE PkgID = $1 AND SourceVersion = $2

-- distmgr_new_version_to_send --
-- What was tried with the version before does not count against the new one.
UPDATE PkgStatus SET Attempts = 0, Status = 0, UpdateTime = $2 WHERE ID = $1 AND Status IN (4, 5)

-- distmgr_transfers --
-- Everything that is not yet as it is wanted: to be removed, or not installed in the stored version.
SELECT s.PkgID, s.NALPath, s.Action, s.RefreshTrigger, p.Name, p.Source, p.SourceVersion, p.StoredPkgVersion,
    p.PkgSourceHash, p.PkgSourceFlag, r.Url, r.ServerName, coalesce(t.Status, 0) AS Status,
    coalesce(t.SourceVersion, 0) AS InstalledVersion, coalesce(t.Attempts, 0) AS Attempts, t.UpdateTime
FROM PkgServers s
JOIN SMSPackages p ON p.PkgID = s.PkgID
LEFT JOIN SysResList r ON r.NALPath = s.NALPath AND r.RoleName = 'SMS Distribution Point'
LEFT JOIN PkgStatus t ON t.ID = s.PkgID AND t.PkgServer = s.NALPath
WHERE s.Action = 3
   OR (p.StoredPkgVersion = p.SourceVersion AND p.PkgSourceFlag = 2
       AND NOT (s.Action = 0 AND t.Status = 3 AND t.SourceVersion = p.StoredPkgVersion))
ORDER BY p.Priority, s.PkgID, s.NALPath

-- distmgr_sending --
INSERT INTO PkgStatus (ID, PkgServer, SiteCode, Status, UpdateTime)
SELECT PkgID, NALPath, SiteCode, 1, $3::timestamptz FROM PkgServers WHERE PkgID = $1 AND NALPath = $2 AND Action <> 3
ON CONFLICT (ID, PkgServer) DO UPDATE SET Status = 1, UpdateTime = $3

-- distmgr_installed --
UPDATE PkgStatus SET Status = 3, SourceVersion = $3, Attempts = 0, LastError = '', HTTPUrl = $4, UpdateTime = $5
WHERE ID = $1 AND PkgServer = $2
  AND EXISTS (SELECT FROM PkgServers WHERE PkgID = $1 AND NALPath = $2 AND Action <> 3)

-- distmgr_server_done --
UPDATE PkgServers SET Action = 0, LastRefresh = $4
WHERE PkgID = $1 AND NALPath = $2 AND RefreshTrigger = $3 AND Action <> 3

-- distmgr_failed --
-- $4: 4 RETRY, 5 FAILED, 7 PENDING_REMOVE
UPDATE PkgStatus SET Status = $4, Attempts = Attempts + 1, LastError = $3, UpdateTime = $5
WHERE ID = $1 AND PkgServer = $2 AND (Status <> 7 OR $4 = 7)

-- distmgr_removed --
WITH gone AS (
    DELETE FROM PkgServers WHERE PkgID = $1 AND NALPath = $2 AND Action = 3 RETURNING PkgID, NALPath
)
DELETE FROM PkgStatus USING gone WHERE ID = gone.PkgID AND PkgServer = gone.NALPath

-- distmgr_delete_package --
DELETE FROM SMSPackages
WHERE PkgID = $1 AND ActionInProgress = 3 AND NOT EXISTS (SELECT FROM PkgServers WHERE PkgID = $1)

-- distmgr_packages_to_delete --
SELECT PkgID FROM SMSPackages p
WHERE ActionInProgress = 3 AND NOT EXISTS (SELECT FROM PkgServers s WHERE s.PkgID = p.PkgID)
