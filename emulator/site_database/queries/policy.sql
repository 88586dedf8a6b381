-- MP_GetMachinePolicyAssignments --
-- For many clients, so that one question answers all who ask at once. One statement, so one moment: what
-- changed after a client's number and the newest number fit together. After 0 nothing withdrawn is told: who
-- has nothing need not give it back. A secret policy (flag 4) is as good as withdrawn for a client that is
-- not approved.
SELECT asked.Place AS place, newest.Number AS newest, k.SigningCertificate, told.*
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (SMSID, After, Place)
LEFT JOIN System_DISC s ON s.SMS_Unique_Identifier0 = asked.SMSID
LEFT JOIN ClientKeyData k ON k.SMSID = asked.SMSID
CROSS JOIN LATERAL (
    SELECT coalesce(max(ChangeNumber), 0) AS Number FROM ResPolicyMap WHERE MachineID = s.ItemKey
) AS newest
LEFT JOIN LATERAL (
    SELECT a.PolicyAssignmentID, a.PolicyID, a.Version, a.Condition, p.PolicyCategory, p.PolicyType,
        p.PolicyFlags, p.PolicyPriority, p.PolicyHash, p.PolicyHashSHA1, m.ChangeNumber,
        m.IsTombstoned OR (p.PolicyFlags & 4 <> 0 AND k.ApprovalStatus IS DISTINCT FROM 1) AS IsTombstoned
    FROM ResPolicyMap m JOIN PolicyAssignment a USING (PADBID) JOIN Policy p USING (PolicyID, Version)
    WHERE m.MachineID = s.ItemKey AND m.ChangeNumber > asked.After
) AS told ON asked.After > 0 OR NOT told.IsTombstoned
ORDER BY asked.Place, told.ChangeNumber

-- MP_GetPolicyBody --
-- By version, or by the hash of the body, as locations of the current branch name it.
SELECT Body, PolicyFlags FROM Policy WHERE PolicyID = $1 AND (Version = $2 OR PolicyHash = upper($2))
LIMIT 1

-- MP_IsPolicyAssigned --
SELECT EXISTS (
    SELECT FROM ResPolicyMap m
    JOIN PolicyAssignment a USING (PADBID)
    JOIN ClientKeyData k ON k.MachineID = m.MachineID
    WHERE k.SMSID = $1 AND a.PolicyID = $2 AND NOT a.IsTombstoned AND NOT m.IsTombstoned)
