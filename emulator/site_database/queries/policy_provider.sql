-- policypv_advertisements --
-- Ready: a client that is told to run the program can get its files, in the version it is told of.
-- Held: the policy made of it earlier. TargetsDiffer: somebody has that policy who is no member, or the reverse.
SELECT o.OfferID, o.CollectionID, o.PkgID, o.ProgramName, o.PresentTime, o.AdvertFlags, o.RemoteClientFlags,
    CASE WHEN o.ExpirationTimeEnabled THEN o.ExpirationTime END AS ExpirationTime,
    CASE WHEN o.AssignedScheduleEnabled THEN o.AssignedSchedule ELSE '' END AS AssignedSchedule,
    p.Name AS PackageName, p.SourceVersion, p.SourceSize, p.PkgSourceHash, p.PkgFlags, p.PkgSourceFlag,
    g.CommandLine, g.Duration, g.DependentProgram, g.ProgramFlags,
    p.PkgSourceFlag = 1 OR (p.StoredPkgVersion = p.SourceVersion AND EXISTS (
        SELECT FROM PkgStatus t WHERE t.ID = p.PkgID AND t.Status = 3 AND t.SourceVersion = p.SourceVersion
    )) AS Ready,
    a.PADBID, a.IsTombstoned, h.PolicyID AS HeldID, h.Version AS HeldVersion, h.PolicyHash AS HeldHash,
    a.PADBID IS NOT NULL AND (EXISTS (
        SELECT FROM CollectionMembers c WHERE c.CollectionID = o.CollectionID AND NOT EXISTS (
            SELECT FROM ResPolicyMap m
            WHERE m.PADBID = a.PADBID AND m.MachineID = c.ResourceID AND NOT m.IsTombstoned)
    ) OR EXISTS (
        SELECT FROM ResPolicyMap m WHERE m.PADBID = a.PADBID AND NOT m.IsTombstoned AND NOT EXISTS (
            SELECT FROM CollectionMembers c
            WHERE c.CollectionID = o.CollectionID AND c.ResourceID = m.MachineID)
    )) AS TargetsDiffer
FROM ProgramOffers o
JOIN PkgPrograms g ON g.PkgID = o.PkgID AND g.Name = o.ProgramName
JOIN SMSPackages p ON p.PkgID = o.PkgID
LEFT JOIN (PolicyAssignment a JOIN Policy h ON h.PolicyID = a.PolicyID AND h.Version = a.Version)
    ON h.SourceID = o.OfferID
ORDER BY o.OfferID

-- policypv_current --
-- The newest policy made from a source.
SELECT a.PADBID, a.PolicyID, a.Version, a.IsTombstoned, a.Condition, p.Body, p.PolicyFlags, p.PolicyPriority,
    p.PolicyCategory
FROM PolicyAssignment a JOIN Policy p ON p.PolicyID = a.PolicyID AND p.Version = a.Version
WHERE p.SourceID = $1

-- policypv_insert_policy --
INSERT INTO Policy (PolicyID, Version, PolicyCategory, PolicyHash, PolicyHashSHA1, Body, SourceID, PolicyFlags,
    PolicyPriority)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- policypv_insert_assignment --
INSERT INTO PolicyAssignment (PolicyAssignmentID, PolicyID, Version, LastUpdateTime, Condition)
VALUES ($1, $2, $3, $4, $5) RETURNING PADBID

-- policypv_update_assignment --
UPDATE PolicyAssignment SET Version = $2, IsTombstoned = false, LastUpdateTime = $3, Condition = $4 WHERE PADBID = $1

-- policypv_newest_change --
SELECT nextval('PolicyChange')

-- policypv_announce --
-- Whoever has the assignment learns of it again: its version is another. $2: the change number before.
UPDATE ResPolicyMap SET ChangeNumber = nextval('PolicyChange')
WHERE PADBID = $1 AND MachineID IN (
    SELECT MachineID FROM ResPolicyMap
    WHERE PADBID = $1 AND NOT IsTombstoned AND ChangeNumber <= $2 LIMIT 10000)

-- policypv_map_collection --
INSERT INTO ResPolicyMap (MachineID, PADBID)
SELECT ResourceID, $1 FROM CollectionMembers
WHERE CollectionID = $2 AND NOT EXISTS (
    SELECT FROM ResPolicyMap m WHERE m.MachineID = ResourceID AND m.PADBID = $1 AND NOT m.IsTombstoned)
LIMIT 10000
ON CONFLICT (MachineID, PADBID) DO UPDATE SET IsTombstoned = false, ChangeNumber = nextval('PolicyChange')

-- policypv_unmap_others --
UPDATE ResPolicyMap SET IsTombstoned = true, ChangeNumber = nextval('PolicyChange')
WHERE PADBID = $1 AND MachineID IN (
    SELECT m.MachineID FROM ResPolicyMap m
    WHERE m.PADBID = $1 AND NOT m.IsTombstoned AND NOT EXISTS (
        SELECT FROM CollectionMembers WHERE CollectionID = $2 AND ResourceID = m.MachineID)
    LIMIT 10000)

-- policypv_unmap_all --
UPDATE ResPolicyMap SET IsTombstoned = true, ChangeNumber = nextval('PolicyChange')
WHERE PADBID = $1 AND MachineID IN (
    SELECT MachineID FROM ResPolicyMap WHERE PADBID = $1 AND NOT IsTombstoned LIMIT 10000)

-- policypv_map_machine --
INSERT INTO ResPolicyMap (MachineID, PADBID) VALUES ($2, $1)
ON CONFLICT (MachineID, PADBID) DO UPDATE SET IsTombstoned = false, ChangeNumber = nextval('PolicyChange')

-- policypv_withdraw --
UPDATE PolicyAssignment SET IsTombstoned = true, LastUpdateTime = $2 WHERE PADBID = $1

-- policypv_published --
SELECT a.PADBID, p.SourceID
FROM PolicyAssignment a JOIN Policy p ON p.PolicyID = a.PolicyID AND p.Version = a.Version
WHERE p.PolicyCategory = $1 AND NOT a.IsTombstoned

-- policypv_resync_requests --
SELECT MachineID, ResyncRequested, SWResyncRequested FROM WorkstationStatus_DATA
WHERE ResyncRequested OR SWResyncRequested
ORDER BY MachineID

-- policypv_published_of_site --
-- Policies made from the site's settings: their sources begin with SITE:, and differ in category.
SELECT a.PADBID, p.SourceID
FROM PolicyAssignment a JOIN Policy p ON p.PolicyID = a.PolicyID AND p.Version = a.Version
WHERE starts_with(p.SourceID, 'SITE:') AND NOT a.IsTombstoned

-- policypv_targets_differ --
SELECT EXISTS (
    SELECT FROM CollectionMembers c WHERE c.CollectionID = $2 AND NOT EXISTS (
        SELECT FROM ResPolicyMap m
        WHERE m.PADBID = $1 AND m.MachineID = c.ResourceID AND NOT m.IsTombstoned)
) OR EXISTS (
    SELECT FROM ResPolicyMap m WHERE m.PADBID = $1 AND NOT m.IsTombstoned AND NOT EXISTS (
        SELECT FROM CollectionMembers c WHERE c.CollectionID = $2 AND c.ResourceID = m.MachineID)
)
