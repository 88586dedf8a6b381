-- report_receipt --
INSERT INTO InboxReceipt (MessageID, Sender, PayloadDigest, Kind, ReceivedAtMP, LoadedAt)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (MessageID, Sender, PayloadDigest) DO NOTHING
RETURNING ReceiptID

-- report_receipts --
-- Numbered in the order in which they are given, so that each client's reports keep theirs.
INSERT INTO InboxReceipt (MessageID, Sender, PayloadDigest, Kind, ReceivedAtMP, LoadedAt)
SELECT message_id, sender, digest, kind, received, $6
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) WITH ORDINALITY
    AS report (message_id, sender, digest, kind, received, place)
ORDER BY place
ON CONFLICT (MessageID, Sender, PayloadDigest) DO NOTHING
RETURNING ReceiptID, MessageID, Sender, PayloadDigest
