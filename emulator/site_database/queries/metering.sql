-- metering_store --
-- The same use reported again says more of it: when it ended.
INSERT INTO MeterData AS held
    (MachineID, ReceiptID, MeterDataID, UserName, ProductName, FileName, StartTime, EndTime, Status)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::integer[])
ON CONFLICT (MachineID, MeterDataID) DO UPDATE SET EndTime = excluded.EndTime, Status = excluded.Status
WHERE held.EndTime IS NULL OR held.EndTime < excluded.EndTime
