"""The distribution point: keeps package content and lets clients read it.

Clients read over HTTP, in mixed mode without authentication unless the site says otherwise; only the
site server, which shows the site's secret, changes anything. It never asks another role.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from emulator.distribution_point.content_access import ContentAccess
from emulator.distribution_point.content_library import ContentLibrary
from emulator.distribution_point.directory_listing import listing
from emulator.distribution_point.package_files import SMALL, PackageFiles
from emulator.distribution_point.package_store import PackageStore
from emulator.distribution_point.package_upload import PackageUpload
from emulator.distribution_point.resource import Resource
from emulator.distribution_point.signature_files import SignatureFiles
from emulator.distribution_point.small_files import SmallFiles
from emulator.distribution_point.virtual_directory import path_below, split_path, virtual_directory
from emulator.distribution_point.webdav import ALLOWED, WebDav
from emulator.errors import ObjectNotFound
from emulator.message_journal import tell
from emulator.role import HttpRole

SHARE = "smspkg"  # where the site server puts packages, in place of the SMB share of this name


class DistributionPoint(HttpRole):
    """A distribution point of the site."""

    log_name = "smsdpprov"

    async def opening(self) -> None:
        self.package_store = self.make_package_store()
        self.package_store.open()
        self.content_library = ContentLibrary(self.package_store)
        self.signature_files = SignatureFiles(self.package_store)
        self.content_access = ContentAccess(self.settings)
        self.package_files = self.make_package_files()
        self.small_files = SmallFiles(self.package_store)
        self.package_upload = self.make_package_upload()
        self.webdav = self.make_webdav()

    def make_package_store(self) -> PackageStore:
        return PackageStore(self.settings.data)

    def make_package_files(self) -> PackageFiles:
        return PackageFiles()

    def make_package_upload(self) -> PackageUpload:
        return PackageUpload(self.package_store)

    def make_webdav(self) -> WebDav:
        return WebDav()

    def make_runner(self, app: web.Application) -> web.BaseRunner:
        """Serve without the application: a router and its middlewares have nothing to decide here.

        Names of virtual directories and packages are matched without case, which no route does, and a
        small file is sent in half the time.
        """
        server = web.Server(self.serve, request_factory=self._request, access_log=None)  # type: ignore[arg-type]
        return web.ServerRunner(server, shutdown_timeout=1.0)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.Request:
        loop = asyncio.get_running_loop()
        return web.Request(
            message, payload, protocol, writer, task, loop, client_max_size=self.settings.max_body
        )

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; an error becomes the status that tells of it."""
        if hdrs.EXPECT in request.headers:
            await _continue(request)
        return await self._errors(request, self.answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Find who answers a request.

        Raises:
            ObjectNotFound: nothing of a distribution point is at this path.
        """
        first, rest = split_path(request.path)
        if virtual_directory(first):
            return await self.read(request, first, rest)
        if first.lower() == SHARE and rest:
            return await self.change(request, rest.rstrip("/"))
        if request.method == hdrs.METH_OPTIONS and first in ("", "*"):
            return self.webdav.options()  # Windows' own WebDAV client asks the server before the folder
        raise ObjectNotFound(f"{request.path}: there is no such virtual directory")

    async def read(self, request: web.Request, name: str, rest: str) -> web.StreamResponse:
        """What clients do: everything below the virtual directory of this name.

        Raises:
            UnsafePath: the path leaves the virtual directory.
            ObjectNotFound: nothing is there.
            ClientCertificateNeeded: it is not for whoever shows no certificate.
            HTTPUnauthorized: it is not for whoever shows no account.
        """
        tell(kind="content", package=rest.partition("/")[0])
        directory = virtual_directory(name)
        assert directory is not None
        open_to_all = self.content_access.open_to_all(directory.entrance)
        if not open_to_all:
            await self.content_access.check(request, directory.entrance)
        elif response := self.small_files.answer(request):
            return response
        if request.method == hdrs.METH_OPTIONS:
            return self.webdav.options()
        if request.method not in ALLOWED:
            raise _not_allowed(request)
        path = path_below(request, rest)
        as_of = self.package_store.changes
        resource = (self.signature_files if directory.signatures else self.content_library).find(path)
        if request.method == "PROPFIND":
            return await self.webdav.propfind(request, resource)
        if resource.is_collection:
            return self.listing(request, f"/{name}", path, resource)
        response = await self.package_files.get(request, resource)
        if open_to_all and response.status == HTTPStatus.OK:
            self.small_files.remember(request, resource, as_of)
        return response

    def listing(self, request: web.Request, root: str, path: str, resource: Resource) -> web.Response:
        """A folder as IIS shows it to a browser; the root of ``Datalib`` links past itself."""
        folder = f"{root}/{path}".rstrip("/")
        links = root if path.lower() == "datalib" else folder
        page = listing(request, self.settings.role, folder, links, resource.children())
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    async def change(self, request: web.Request, name: str) -> web.Response:
        """What the site server does.

        Raises:
            NotAuthorized: the site's secret was not shown.
        """
        tell(kind="distribution", package=name.partition("/")[0])
        self.require_secret(request)
        match request.method:
            case hdrs.METH_PUT:
                response = await self.package_upload.put(request, name)
            case hdrs.METH_DELETE:
                response = await self.package_upload.delete(name)
            case _:
                raise web.HTTPMethodNotAllowed(request.method, ["PUT", "DELETE"])
        self.log.info("package changed", package=name, method=request.method, status=response.status)
        return response


def _not_allowed(request: web.Request) -> web.HTTPMethodNotAllowed:
    """The refusal of a verb that writes; a large body is not read, so the reply says that it is the last."""
    refusal = web.HTTPMethodNotAllowed(request.method, ALLOWED)
    if request.body_exists and (request.content_length is None or request.content_length > SMALL):
        refusal.force_close()
    return refusal


async def _continue(request: web.Request) -> None:
    """Tell whoever waits for it that the body may come."""
    if request.version == HttpVersion11 and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the reply itself has not begun
