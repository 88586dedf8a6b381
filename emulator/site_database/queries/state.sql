-- state_store --
INSERT INTO SR_StateMessages
    (MachineID, ReceiptID, SerialNumber, TopicType, TopicID, StateID, StateDetails, MessageTime)
SELECT $1, $2, * FROM unnest($3::bigint[], $4::integer[], $5::text[], $6::integer[], $7::text[], $8::timestamptz[])
ON CONFLICT (MachineID, SerialNumber, MessageTime) DO NOTHING
