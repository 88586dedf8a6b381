-- MP_GetSiteInfo --
SELECT SiteCode AS site_code, SiteName AS name, ServerName AS server_name, Version AS version,
    BuildNumber AS build_number, DefaultMP AS default_mp
FROM Sites WHERE SiteCode = $1
