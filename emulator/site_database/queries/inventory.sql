-- inventory_status --
-- Locked, and made if it is not there: reports of one machine are loaded one after the other.
INSERT INTO WorkstationStatus_DATA (MachineID) VALUES ($1)
ON CONFLICT (MachineID) DO UPDATE SET MachineID = excluded.MachineID
RETURNING LastHWScan, LastReportVersion, ResyncRequested, LastSWScan, LastSWReportVersion, SWResyncRequested

-- inventory_hardware_loaded --
WITH last AS (
    UPDATE WorkstationStatus_DATA
    SET LastHWScan = $2, LastReportVersion = $3, ResyncRequested = ResyncRequested AND NOT $4
    WHERE MachineID = $1
)
INSERT INTO InventoryLog (ReceiptID, MachineID, InventoryAction, ReportType, ReportVersion, LoadedAt)
VALUES ($5, $1, $6, $7, $3, $8)

-- inventory_software_loaded --
WITH last AS (
    UPDATE WorkstationStatus_DATA
    SET LastSWScan = $2, LastSWReportVersion = $3, SWResyncRequested = SWResyncRequested AND NOT $4
    WHERE MachineID = $1
)
INSERT INTO InventoryLog (ReceiptID, MachineID, InventoryAction, ReportType, ReportVersion, LoadedAt)
VALUES ($5, $1, $6, $7, $3, $8)

-- inventory_hardware_resync --
INSERT INTO WorkstationStatus_DATA AS held (MachineID, ResyncRequested) VALUES ($1, true)
ON CONFLICT (MachineID) DO UPDATE SET ResyncRequested = true WHERE NOT held.ResyncRequested

-- inventory_software_resync --
INSERT INTO WorkstationStatus_DATA AS held (MachineID, SWResyncRequested) VALUES ($1, true)
ON CONFLICT (MachineID) DO UPDATE SET SWResyncRequested = true WHERE NOT held.SWResyncRequested

-- inventory_log --
INSERT INTO InventoryLog (ReceiptID, MachineID, InventoryAction, ReportType, ReportVersion, LoadedAt)
VALUES ($1, $2, $3, $4, $5, $6)

-- inventory_held --
SELECT class_name, instance_key FROM unnest($2::text[], $3::text[]) AS asked (class_name, instance_key)
WHERE EXISTS (
    SELECT FROM Inventory_DATA WHERE MachineID = $1 AND ClassName = class_name AND InstanceKey = instance_key)

-- inventory_store --
-- What changes goes to history first.
WITH new AS (
    SELECT class_name, instance_key, properties
    FROM jsonb_to_recordset($2::jsonb) AS new (class_name text, instance_key text, properties jsonb)
), old AS (
    INSERT INTO Inventory_HIST (MachineID, ClassName, InstanceKey, RevisionID, Properties, TimeStamp)
    SELECT d.MachineID, d.ClassName, d.InstanceKey, d.RevisionID, d.Properties, d.TimeStamp
    FROM Inventory_DATA d JOIN new ON d.ClassName = class_name AND d.InstanceKey = instance_key
    WHERE d.MachineID = $1 AND d.Properties <> new.properties
)
INSERT INTO Inventory_DATA AS held (MachineID, ClassName, InstanceKey, Properties, TimeStamp)
SELECT $1, class_name, instance_key, properties, $3 FROM new
ON CONFLICT (MachineID, ClassName, InstanceKey) DO UPDATE SET TimeStamp = excluded.TimeStamp,
    Properties = excluded.Properties,
    RevisionID = held.RevisionID + (held.Properties <> excluded.Properties)::integer

-- inventory_remove --
WITH gone AS (
    DELETE FROM Inventory_DATA USING unnest($2::text[], $3::text[]) AS named (class_name, instance_key)
    WHERE MachineID = $1 AND ClassName = class_name AND InstanceKey = instance_key RETURNING Inventory_DATA.*
)
INSERT INTO Inventory_HIST SELECT * FROM gone

-- inventory_remove_others --
WITH gone AS (
    DELETE FROM Inventory_DATA WHERE MachineID = $1
        AND (ClassName, InstanceKey) NOT IN (SELECT * FROM unnest($2::text[], $3::text[])) RETURNING *
)
INSERT INTO Inventory_HIST SELECT * FROM gone

-- software_remove_all --
DELETE FROM SoftwareFile WHERE MachineID = $1

-- software_remove --
DELETE FROM SoftwareFile USING unnest($2::text[], $3::text[]) AS named (path, name)
WHERE MachineID = $1 AND FilePath = path AND FileName = name

-- software_held --
SELECT path, name FROM unnest($2::text[], $3::text[]) AS asked (path, name)
WHERE EXISTS (SELECT FROM SoftwareFile WHERE MachineID = $1 AND FilePath = path AND FileName = name)

-- software_store --
INSERT INTO SoftwareFile
    (MachineID, FilePath, FileName, FileVersion, FileSize, ModifiedDate, ProductName, CompanyName)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
ON CONFLICT (MachineID, FilePath, FileName) DO UPDATE SET FileVersion = excluded.FileVersion,
    FileSize = excluded.FileSize, ModifiedDate = excluded.ModifiedDate, ProductName = excluded.ProductName,
    CompanyName = excluded.CompanyName
