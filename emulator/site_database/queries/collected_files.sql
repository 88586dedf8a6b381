-- collected_file_store --
INSERT INTO CollectedFiles
    (MachineID, FilePath, FileName, RevisionID, FileSize, ModifiedDate, CollectionDate, Content)
SELECT $1, $2, $3, 1 + coalesce(max(RevisionID), 0), $4, $5, $6, $7
FROM CollectedFiles WHERE MachineID = $1 AND FilePath = $2 AND FileName = $3
