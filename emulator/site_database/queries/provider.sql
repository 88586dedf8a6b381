-- provider_new_package_version --
UPDATE SMSPackages SET SourceVersion = SourceVersion + 1, SourceDate = $2 WHERE PkgID = $1

-- provider_collection_rules --
SELECT RuleName, RuleType, ResourceID, QueryExpression
FROM CollectionRules WHERE CollectionID = $1 ORDER BY RuleNumber

-- provider_add_distribution_point --
WITH added AS (
    INSERT INTO PkgServers (PkgID, NALPath, SiteCode, Action) VALUES ($1, $2, $3, 2)
    ON CONFLICT (PkgID, NALPath) DO UPDATE SET Action = 2, RefreshTrigger = PkgServers.RefreshTrigger + 1
        WHERE PkgServers.Action = 3  -- it was to be removed: now it is wanted again
    RETURNING PkgID, NALPath, SiteCode
)
INSERT INTO PkgStatus (ID, PkgServer, SiteCode, UpdateTime)
SELECT PkgID, NALPath, SiteCode, $4::timestamptz FROM added
ON CONFLICT (ID, PkgServer) DO UPDATE SET Status = 0, Attempts = 0, LastError = '', UpdateTime = $4

-- provider_refresh_now --
-- A transfer that was given up is begun anew too.
WITH refreshed AS (
    UPDATE PkgServers SET Action = 1, RefreshTrigger = RefreshTrigger + 1
    WHERE PkgID = $1 AND NALPath = $2 AND Action <> 3 RETURNING PkgID, NALPath
)
UPDATE PkgStatus SET Status = 0, Attempts = 0 FROM refreshed
WHERE ID = refreshed.PkgID AND PkgServer = refreshed.NALPath AND Status IN (4, 5)

-- provider_pending_remove --
UPDATE PkgStatus SET Status = 7, Attempts = 0, UpdateTime = $3 WHERE ID = $1 AND PkgServer = $2

-- provider_package_pending_remove --
UPDATE PkgStatus SET Status = 7, Attempts = 0, UpdateTime = $2 WHERE ID = $1

-- provider_site_id --
SELECT SiteID FROM Sites WHERE SiteCode = $1

-- provider_policies --
-- The newest bodies of a category's policies, unless they were withdrawn.
SELECT p.PolicyID, p.Body FROM PolicyAssignment a JOIN Policy p USING (PolicyID, Version)
WHERE p.PolicyCategory = $1 AND NOT a.IsTombstoned ORDER BY p.PolicyID
