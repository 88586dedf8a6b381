"""Distribution points that break one promise each."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from emulator.distribution_point.distribution_point import DistributionPoint


class NeverServesRanges(DistributionPoint):
    """Sends the whole file whatever range was asked for, since it was restarted."""

    async def opening(self) -> None:
        marker = self.settings.data / "started_once"
        self.whole = marker.exists()
        marker.touch()
        await super().opening()

    async def read(self, request: web.Request, virtual_directory: str, rest: str) -> web.StreamResponse:
        if self.whole and "Range" in request.headers:
            headers = request.headers.copy()
            del headers["Range"]
            request = request.clone(headers=headers)
        return await super().read(request, virtual_directory, rest)


class AsksSiteServerFirst(DistributionPoint):
    """Serves nothing while the site server is away."""

    async def read(self, request: web.Request, virtual_directory: str, rest: str) -> web.StreamResponse:
        url = self.settings.of_kind("site_server")[0].url
        try:
            async with aiohttp.ClientSession() as session, session.get(url):
                pass
        except (aiohttp.ClientError, OSError) as exc:
            raise web.HTTPServiceUnavailable(text="who sent you?\n") from exc
        return await super().read(request, virtual_directory, rest)
