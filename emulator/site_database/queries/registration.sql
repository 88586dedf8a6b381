-- MP_GetClientKeys --
SELECT SMSID, SigningCertificate, coalesce(EncryptionCertificate, SigningCertificate) AS EncryptionCertificate,
    ApprovalStatus
FROM ClientKeyData WHERE SMSID = ANY ($1)

-- registration_known --
SELECT SMSID AS smsid, ApprovalStatus AS approval_status, MachineID AS machine_id
FROM ClientKeyData WHERE Thumbprint = $1 FOR UPDATE

-- registration_again --
UPDATE ClientKeyData SET EncryptionCertificate = $2
WHERE SMSID = $1 AND EncryptionCertificate IS DISTINCT FROM $2

-- registration_rename --
UPDATE System_DISC SET Name0 = $2, Netbios_Name0 = $2, Resource_Names0 = $3, Client_Version0 = $4, Client0 = 1
WHERE ItemKey = $1
  AND (Name0, Netbios_Name0, Resource_Names0, Client_Version0, Client0) IS DISTINCT FROM ($2, $2, $3, $4, 1)

-- registration_taken --
SELECT EXISTS (SELECT FROM ClientKeyData WHERE SMSID = $1)

-- registration_resource --
-- A resource that was discovered before, or whose registration was removed, becomes a client again.
INSERT INTO System_DISC
    (SMS_Unique_Identifier0, Name0, Netbios_Name0, Resource_Names0, Client_Version0, SMS_Assigned_Sites0,
     Creation_Date0, Client0, Client_Type0)
VALUES ($1, $2, $2, $3, $4, $5, $6, 1, 1)
ON CONFLICT (SMS_Unique_Identifier0) DO UPDATE SET Name0 = excluded.Name0, Netbios_Name0 = excluded.Netbios_Name0,
    Client_Version0 = excluded.Client_Version0, Client0 = 1, Active0 = 1, Obsolete0 = 0
RETURNING ItemKey

-- registration_key --
INSERT INTO ClientKeyData
    (SMSID, MachineID, SigningCertificate, EncryptionCertificate, Thumbprint, ApprovalStatus, RegisteredAt)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- registration_approve --
UPDATE ClientKeyData SET ApprovalStatus = $2 WHERE MachineID = ANY($1::integer[]) AND ApprovalStatus <> $2
RETURNING MachineID

-- registration_secrets_change --
-- The secret policies (flag 4) of these machines appear, or disappear: whoever asks next is told.
UPDATE ResPolicyMap m SET ChangeNumber = nextval('PolicyChange')
FROM PolicyAssignment a JOIN Policy p USING (PolicyID, Version)
WHERE m.PADBID = a.PADBID AND m.MachineID = ANY($1::integer[]) AND NOT m.IsTombstoned AND p.PolicyFlags & 4 <> 0
