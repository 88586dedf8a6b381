-- status_store --
WITH message AS (
    INSERT INTO StatusMessages
        (ReceiptID, MessageID, MessageType, Severity, ModuleName, Component, MachineName, SiteCode, Time, EventClass)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING RecordID
), strings AS (
    INSERT INTO StatusMessageInsStrs (RecordID, InsStrIndex, InsStrValue)
    SELECT RecordID, Number - 1, Value FROM message, unnest($11::text[]) WITH ORDINALITY AS string (Value, Number)
), attributes AS (
    INSERT INTO StatusMessageAttributes (RecordID, AttributeID, AttributeValue, AttributeTime)
    SELECT RecordID, ID, Value, $9 FROM message, unnest($12::integer[], $13::text[]) AS attribute (ID, Value)
)
SELECT RecordID FROM message

-- status_of_offer --
-- The state is the newest message's; every completion counts, in whatever order they come.
INSERT INTO ClientOfferStatus AS held
    (OfferID, ItemKey, LastState, LastStateName, LastStatusMessageID, LastStatusTime, LastExecutionResult, Runs,
     LastStatusMessageIDName, LastStatusMessageIDSeverity, LastAcceptanceState, LastAcceptanceStateName,
     LastAcceptanceMessageID, LastAcceptanceStatusTime, LastAcceptanceMessageIDName,
     LastAcceptanceMessageIDSeverity)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    CASE WHEN $11 THEN $3::integer END, CASE WHEN $11 THEN $4::text END, CASE WHEN $11 THEN $5::integer END,
    CASE WHEN $11 THEN $6::timestamptz END, CASE WHEN $11 THEN $9::text END, CASE WHEN $11 THEN $10::bigint END)
ON CONFLICT (OfferID, ItemKey) DO UPDATE SET Runs = held.Runs + excluded.Runs,
    LastState = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime THEN excluded.LastState ELSE held.LastState END,
    LastStateName = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime
        THEN excluded.LastStateName ELSE held.LastStateName END,
    LastStatusMessageID = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime
        THEN excluded.LastStatusMessageID ELSE held.LastStatusMessageID END,
    LastStatusMessageIDName = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime
        THEN excluded.LastStatusMessageIDName ELSE held.LastStatusMessageIDName END,
    LastStatusMessageIDSeverity = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime
        THEN excluded.LastStatusMessageIDSeverity ELSE held.LastStatusMessageIDSeverity END,
    (LastAcceptanceState, LastAcceptanceStateName, LastAcceptanceMessageID, LastAcceptanceStatusTime,
     LastAcceptanceMessageIDName, LastAcceptanceMessageIDSeverity) = (SELECT
        -- The newest one, whatever else the client said later.
        CASE WHEN newer THEN excluded.LastAcceptanceState ELSE held.LastAcceptanceState END,
        CASE WHEN newer THEN excluded.LastAcceptanceStateName ELSE held.LastAcceptanceStateName END,
        CASE WHEN newer THEN excluded.LastAcceptanceMessageID ELSE held.LastAcceptanceMessageID END,
        CASE WHEN newer THEN excluded.LastAcceptanceStatusTime ELSE held.LastAcceptanceStatusTime END,
        CASE WHEN newer THEN excluded.LastAcceptanceMessageIDName ELSE held.LastAcceptanceMessageIDName END,
        CASE WHEN newer THEN excluded.LastAcceptanceMessageIDSeverity ELSE held.LastAcceptanceMessageIDSeverity END
        FROM (SELECT excluded.LastAcceptanceStatusTime >= coalesce(held.LastAcceptanceStatusTime, '-infinity')
            AS newer) AS told),
    LastExecutionResult = CASE WHEN held.LastStatusTime <= excluded.LastStatusTime
        THEN coalesce(excluded.LastExecutionResult, held.LastExecutionResult) ELSE held.LastExecutionResult END,
    LastStatusTime = greatest(held.LastStatusTime, excluded.LastStatusTime)
