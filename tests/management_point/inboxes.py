"""The inboxes of a site server, and nothing else of it."""

from __future__ import annotations

from aiohttp import web

from emulator.addresses import free_port
from emulator.protocol.report_batch import decode_batch
from emulator.protocol.report_file import SUFFIX, ReportFile


class Inboxes:
    """A site server that only takes files; ``status`` is what it answers."""

    def __init__(self, host: str) -> None:
        self.host, self.port = host, free_port(host)
        self.status = 201
        self.taken: list[tuple[str, ReportFile]] = []
        self.unwanted = ""  # text of a report that is refused
        self.together: list[int] = []  # how many came in one request
        self.tries = 0
        self.authorizations: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def _put(self, request: web.Request) -> web.Response:
        self.tries += 1
        self.authorizations.add(request.headers["Authorization"])
        file = ReportFile.from_bytes(await request.read())
        if self.unwanted and self.unwanted in file.payload:
            return web.Response(status=400, text="it is unwanted\n")
        if self.status in (200, 201):
            self.taken.append((request.path, file))
        return web.Response(status=self.status, text="as the test says\n")

    async def _post(self, request: web.Request) -> web.Response:
        """Several at once: all, or none when one of them is ``unwanted``."""
        self.tries += 1
        self.authorizations.add(request.headers["Authorization"])
        files = [ReportFile.from_bytes(body) for _, body in decode_batch(await request.read())]
        if self.unwanted and any(self.unwanted in file.payload for file in files):
            return web.Response(status=400, text="one is unwanted\n")
        if self.status in (200, 201):
            self.together.append(len(files))
            self.taken += [(f"{request.path}/{file.key}{SUFFIX[file.kind]}", file) for file in files]
        return web.Response(status=self.status, text="as the test says\n")

    def payloads(self) -> list[str]:
        return [file.payload for _, file in self.taken]

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_put("/inboxes/{name:.*}", self._put)
        app.router.add_post("/inboxes/{name:.*}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
