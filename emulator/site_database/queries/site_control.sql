-- sitectrl_site --
INSERT INTO Sites (SiteCode, SiteName, ServerName, DefaultMP) VALUES ($1, $2, $3, $4)
ON CONFLICT (SiteCode) DO UPDATE
SET SiteName = excluded.SiteName, ServerName = excluded.ServerName, DefaultMP = excluded.DefaultMP

-- sitectrl_system --
INSERT INTO SysResList (NALPath, RoleName, ServerName, ServerRemoteName, SiteCode, Url)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (NALPath, RoleName) DO UPDATE SET ServerName = excluded.ServerName,
    ServerRemoteName = excluded.ServerRemoteName, SiteCode = excluded.SiteCode, Url = excluded.Url

-- sitectrl_forget_others --
DELETE FROM SysResList WHERE SiteCode = $1
  AND (NALPath, RoleName) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))
