-- idmif_remove_all --
DELETE FROM IDMIF_DATA WHERE MachineID = $1

-- idmif_remove --
DELETE FROM IDMIF_DATA WHERE MachineID = $1 AND ClassName = $2 AND InstanceKey = $3

-- idmif_store --
INSERT INTO IDMIF_DATA (MachineID, ClassName, InstanceKey, Properties, TimeStamp)
VALUES ($1, $2, $3, $4::text::jsonb, $5)
ON CONFLICT (MachineID, ClassName, InstanceKey) DO UPDATE
SET Properties = excluded.Properties, TimeStamp = excluded.TimeStamp
