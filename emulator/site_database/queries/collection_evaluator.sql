-- colleval_collections --
-- Asks: a rule is a query, whose answer may be another one now. Differs: direct rules and members are not the same.
SELECT c.CollectionID, c.RefreshType, c.CurrentStatus,
    EXISTS (
        SELECT FROM CollectionRules r
        WHERE r.CollectionID = c.CollectionID AND r.RuleType <> 'SMS_CollectionRuleDirect'
    ) AS Asks,
    EXISTS (
        SELECT r.ResourceID FROM CollectionRules r JOIN System_DISC ON ItemKey = r.ResourceID
        WHERE r.CollectionID = c.CollectionID
        EXCEPT SELECT m.ResourceID FROM CollectionMembers m WHERE m.CollectionID = c.CollectionID AND m.IsDirect
    ) OR EXISTS (
        SELECT m.ResourceID FROM CollectionMembers m WHERE m.CollectionID = c.CollectionID
        EXCEPT SELECT r.ResourceID FROM CollectionRules r WHERE r.CollectionID = c.CollectionID
    ) OR c.MemberCount <> (
        SELECT count(*) FROM CollectionMembers m WHERE m.CollectionID = c.CollectionID
    ) AS Differs
FROM Collections c
ORDER BY c.CollectionID

-- colleval_rules --
SELECT RuleName, RuleType, ResourceID, QueryExpression
FROM CollectionRules WHERE CollectionID = $1 ORDER BY RuleNumber

-- colleval_lock --
-- A rule added meanwhile waits, sets the status to 5 again, and so asks for another look.
SELECT MemberCount, (SELECT count(*) FROM CollectionMembers m WHERE m.CollectionID = $1) AS Counted
FROM Collections WHERE CollectionID = $1 FOR UPDATE

-- colleval_remove_members --
DELETE FROM CollectionMembers WHERE CollectionID = $1 AND ResourceID = ANY($2::integer[])

-- colleval_add_members --
-- A resource deleted since the comparison is left out by the join.
INSERT INTO CollectionMembers (CollectionID, ResourceID, IsDirect)
SELECT $1, new.ResourceID, new.IsDirect
FROM unnest($2::integer[], $3::boolean[]) AS new (ResourceID, IsDirect)
JOIN System_DISC ON ItemKey = new.ResourceID
ON CONFLICT (CollectionID, ResourceID) DO UPDATE SET IsDirect = excluded.IsDirect

-- colleval_evaluated --
UPDATE Collections SET CurrentStatus = 1, LastRefreshTime = $2,
    MemberCount = (SELECT count(*) FROM CollectionMembers m WHERE m.CollectionID = $1)
WHERE CollectionID = $1
