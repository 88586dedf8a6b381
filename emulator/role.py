"""What every HTTP role shares: it opens, listens, runs its components, and closes.

A role is a folder; this is only the door frame. Faults are not known here: a role
that is stopped, killed or frozen is stopped, killed or frozen from outside.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web

from emulator.errors import (
    BadSignature,
    CannotStart,
    ClientCertificateNeeded,
    ConfigMgrError,
    ContentHashMismatch,
    InvalidObject,
    MalformedMessage,
    MessageTooLarge,
    NotAnAdministrator,
    NotAuthorized,
    ObjectConflict,
    ObjectNotFound,
    OwnApprovalForbidden,
    PolicyNotFound,
    SiteDatabaseUnavailable,
    SiteServerUnavailable,
    UnknownClient,
    UnsafePath,
    UnsupportedQuery,
    WrongVerb,
)
from emulator.listening import BACKLOG, listening_socket, stop_accepting
from emulator.logs import get_logger, lines_tell_time
from emulator.message_journal import MessageJournal, begin, tell
from emulator.pki import Pki
from emulator.settings import RoleAddress, RoleSettings

# error -> HTTP status, for every role. First match wins, so subclasses stand before their bases.
# 500 for a lost database is what a management point's health test is documented to show.
STATUSES: list[tuple[type[ConfigMgrError], int]] = [
    (MessageTooLarge, 413),
    (MalformedMessage, 400),
    (BadSignature, 403),
    (ClientCertificateNeeded, 403),
    (UnknownClient, 403),
    (NotAuthorized, 401),
    (NotAnAdministrator, 403),
    (WrongVerb, 405),
    (UnsafePath, 400),
    (InvalidObject, 400),
    (UnsupportedQuery, 400),
    (ObjectNotFound, 404),
    (PolicyNotFound, 404),
    (ObjectConflict, 409),
    (ContentHashMismatch, 422),
    (OwnApprovalForbidden, 500),  # what the product answers, and clients look for
    (SiteDatabaseUnavailable, 500),
    (SiteServerUnavailable, 503),
]


def shows_certificate(request: web.Request) -> bool:
    """Whether the connection is TLS with a client's certificate; the handshake has verified it."""
    return request.secure and bool(request.get_extra_info("peercert"))


def _ports(address: RoleAddress) -> str:
    return f"{address.port} or {address.https_port}" if address.https_port else str(address.port)


def status_of(error: ConfigMgrError) -> int:
    """The HTTP status that tells a requester of this error."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


class Role(Protocol):
    """Anything a site can start and stop."""

    settings: RoleSettings

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class HttpRole:
    """A role that answers HTTP on one port and runs components beside it."""

    log_name = "role"  # the product's own log name

    def __init__(self, settings: RoleSettings) -> None:
        self.settings = settings
        self.clock = settings.open_clock()
        self.log = get_logger(self.log_name, role=settings.role.name)
        self._runner: web.BaseRunner | None = None
        self._listeners: list[socket.socket] = []
        self._components: list[asyncio.Task[None]] = []
        self.journal: MessageJournal | None = None

    # -- what a role fills in ------------------------------------------------------

    async def opening(self) -> None:
        """Make folders, pools and keys, before the port opens."""

    def routes(self, app: web.Application) -> None:
        """Add the role's routes."""

    def components(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that run beside the endpoints; each runs until it is cancelled."""
        return []

    async def closing(self) -> None:
        """Give back pools and sessions."""

    def make_runner(self, app: web.Application) -> web.BaseRunner:
        """How the application is served; a role with unusual verbs overrides it."""
        return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    def tls_context(self) -> ssl.SSLContext:
        """How the role answers TLS: with a certificate of the site's own authority."""
        return self.pki.server_context(self.settings.role)

    @property
    def pki(self) -> Pki:
        """The site's certificates."""
        return Pki(self.settings.pki or self.settings.data / "pki", self.clock)

    async def caught_up(self) -> None:
        """Return when the role knows of all that was done before this call; most know at once."""

    # -- the life of a role --------------------------------------------------------

    async def start(self) -> None:
        """Open the role; returns when it answers on its port.

        Raises:
            CannotStart: the port is in use or the data folder cannot be written.
        """
        # Whatever is begun in here, connections too, inherits whose clock dates its log lines.
        with lines_tell_time(self.clock.now):
            await self._start()

    async def _start(self) -> None:
        try:
            self.settings.data.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CannotStart(f"{self.settings.data}: the folder cannot be written ({exc.strerror})") from exc
        if self.settings.journal:
            folder = self.settings.data / "journal"
            self.journal = MessageJournal(folder, self.clock, self.settings.journal)
        await self.opening()
        app = web.Application(middlewares=[self._errors], client_max_size=self.settings.max_body)
        self.routes(app)
        self._runner = self.make_runner(app)
        await self._runner.setup()
        address = self.settings.role
        try:
            await self._listen(address.port)
            if address.https_port:
                await self._listen(address.https_port, await asyncio.to_thread(self.tls_context))
        except OSError as exc:
            await self.stop()
            raise CannotStart(
                f"{address.name}: {address.host}:{_ports(address)} cannot be opened ({exc.strerror}); "
                "is another site using the port?"
            ) from exc
        self._components = [
            asyncio.create_task(self._supervise(run), name=f"{address.name}:{run.__qualname__}")
            for run in self.components()
        ]

    async def stop(self) -> None:
        """Orderly: components first, so that nothing is half done, then the port."""
        for task in self._components:
            task.cancel()
        await asyncio.gather(*self._components, return_exceptions=True)
        self._components = []
        if self._runner:
            await stop_accepting(self._listeners)
            await self._runner.cleanup()
            self._runner = None
            self._listeners = []
        await self.closing()
        if self.journal:
            self.journal.close()
            self.journal = None

    async def _listen(self, port: int, context: ssl.SSLContext | None = None) -> None:
        assert self._runner
        listener = listening_socket(self.settings.listen or self.settings.role.host, port)
        self._listeners.append(listener)
        await web.SockSite(self._runner, listener, ssl_context=context, backlog=BACKLOG).start()

    async def _supervise(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with self.clock.at_work():
                await run()
        except asyncio.CancelledError:
            raise
        except Exception:
            self.log.exception("component ended unexpectedly", component=run.__qualname__)
            raise

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        journal = self.journal
        if journal is None:
            return await self._answered(request, handler)
        told, began = begin(), time.perf_counter()
        status: int | None = None  # nobody was answered: the role or its requester broke off
        try:
            response = await self._answered(request, handler)
            status = response.status
            return response
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            seen = (request.method, request.path, status, request.content.total_bytes)
            journal.record(seen, told, began)

    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConfigMgrError as exc:
            status = status_of(exc)
            tell(reason=str(exc))
            self.log.warning(
                "request refused", method=request.method, path=request.path, status=status, reason=str(exc)
            )
            return self.refusal(request, status, exc)
        except web.HTTPRequestEntityTooLarge as exc:
            self.log.warning("request refused", path=request.path, status=413, reason=exc.text)
            refusal = web.Response(status=413, text=f"at most {self.settings.max_body} bytes are accepted\n")
            refusal.force_close()  # the rest is not read: the reply says that it is the last one here
            return refusal

    def refusal(self, request: web.Request, status: int, error: ConfigMgrError) -> web.Response:
        """How this role tells of an error: one line of text unless it speaks otherwise."""
        return web.Response(status=status, text=f"{HTTPStatus(status).phrase}: {error}\n")

    def require_secret(self, request: web.Request) -> None:
        """Only roles of this site, and its administrators, show the site's secret.

        Raises:
            NotAuthorized: the ``Authorization: Bearer`` header is missing or wrong.
        """
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {self.settings.secret}".encode()):
            raise NotAuthorized
