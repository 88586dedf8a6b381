-- operation_begin --
INSERT INTO ClientOperation
    (Type, TargetCollectionID, ResourceID, ResourceIDs, Input, RequestedBy, RequestedTime)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING OperationID

-- operation_input --
SELECT Input FROM ClientOperation
WHERE OperationID = $1 AND Type = $2
  AND ResourceID IS NOT DISTINCT FROM $3::integer AND lower(TargetCollectionID) IS NOT DISTINCT FROM lower($4::text)

-- operation_results --
SELECT ResourceID, Result FROM ClientOperationResult WHERE OperationID = $1 ORDER BY ResourceID

-- operation_result --
INSERT INTO ClientOperationResult (OperationID, ResourceID, Result, ResultTime) VALUES ($1, $2, $3::text::jsonb, $4)
ON CONFLICT (OperationID, ResourceID) DO NOTHING

-- operation_device --
SELECT s.*, w.LastHWScan, w.LastSWScan
FROM System_DISC s LEFT JOIN WorkstationStatus_DATA w ON w.MachineID = s.ItemKey
WHERE s.ItemKey = $1

-- operation_members --
SELECT s.*, w.LastHWScan, w.LastSWScan
FROM CollectionMembers m JOIN System_DISC s ON s.ItemKey = m.ResourceID
LEFT JOIN WorkstationStatus_DATA w ON w.MachineID = s.ItemKey
WHERE lower(m.CollectionID) = lower($1) ORDER BY s.ItemKey

-- operation_instances --
SELECT Properties FROM Inventory_DATA WHERE MachineID = $1 AND lower(ClassName) = lower($2) ORDER BY InstanceKey

-- operation_files --
SELECT FilePath AS "FilePath", FileName AS "FileName", FileVersion AS "FileVersion", FileSize AS "FileSize",
    ModifiedDate AS "ModifiedDate", ProductName AS "ProductName", CompanyName AS "CompanyName"
FROM SoftwareFile WHERE MachineID = $1 ORDER BY FilePath, FileName
