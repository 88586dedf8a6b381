"""The control API: break, heal, watch and rewind a running site over HTTP.

One table of routes is the API: it is what is served, what the OpenAPI document is made from, and what an
unknown address is told. On a loopback address nobody is asked who he is; anywhere else a token is.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import version
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from emulator.control.control import Control
from emulator.control.journal import NotInJournal
from emulator.control.openapi import Route, document
from emulator.control.own_port import OwnPort
from emulator.control.problems import of_error, of_validation, problem
from emulator.control.routes import ROUTES
from emulator.errors import ConfigMgrError, NotAuthorized
from emulator.logs import get_logger
from emulator.to_the_end import to_the_end

MAX_BODY = 1024 * 1024  # bytes
JSON = "application/json"


class ControlApi(OwnPort):
    """Serves the control of one site on a port of its own."""

    name = "control API"
    log = get_logger("control")

    def __init__(
        self, control: Control, host: str = "127.0.0.1", port: int = 0, token: str | None = None
    ) -> None:
        """Port 0 takes a free one; without ``token`` one is made where the address is not loopback."""
        super().__init__(host, port)
        self._control = control
        self._at_work: set[asyncio.Task[Any]] = set()  # requests whose deeds change the site
        self.token = token or (None if is_loopback(host) else secrets.token_urlsafe(24))

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._problems], client_max_size=MAX_BODY)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._handler(route))
        app.on_cleanup.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        if self._at_work:
            await asyncio.wait(self._at_work)
        await self._control.close()

    # -- one request -------------------------------------------------------------------

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not route.open:
                self._admit(request)
            if route.name == "openapi":
                return web.json_response(document(ROUTES, version("configmgr-emulator")))
            read = await _arguments(route, request)
            if isinstance(read, web.Response):
                return read
            deed = getattr(self._control, route.name)(**read)
            changes = request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) and not route.waits
            return _response(route, await (self._to_the_end(deed) if changes else deed))

        return handle

    async def _to_the_end(self, deed: Coroutine[Any, Any, Any]) -> Any:
        """A site that is half changed because somebody hung up helps nobody; a close waits for this too."""
        at_work = asyncio.current_task()
        assert at_work
        self._at_work.add(at_work)
        try:
            return await to_the_end(deed)
        finally:
            self._at_work.discard(at_work)

    def _admit(self, request: web.Request) -> None:
        shown = request.headers.get(hdrs.AUTHORIZATION, "")
        expected = f"Bearer {self.token}".encode()
        if self.token and not hmac.compare_digest(shown.encode(errors="surrogateescape"), expected):
            raise NotAuthorized("the control API asks for its token: Authorization: Bearer <token>")

    @web.middleware
    async def _problems(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except (ConfigMgrError, NotInJournal) as exc:
            response = of_error(exc)
            self.log.info("refused", method=request.method, path=request.path, reason=str(exc))
            if isinstance(exc, NotAuthorized):
                response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            return response
        except web.HTTPNotFound:
            return problem(404, f"nothing is at {request.path}", sorted({route.path for route in ROUTES}))
        except web.HTTPMethodNotAllowed as exc:
            response = problem(
                405, f"{request.method} does not go with {request.path}", sorted(exc.allowed_methods)
            )
            response.headers[hdrs.ALLOW] = ", ".join(sorted(exc.allowed_methods))
            return response
        except web.HTTPRequestEntityTooLarge:
            refusal = problem(413, f"at most {MAX_BODY} bytes are accepted")
            refusal.force_close()
            return refusal
        except web.RequestPayloadError as exc:
            return problem(400, f"the body cannot be read ({exc})")
        except web.HTTPException as exc:
            return problem(exc.status, exc.text or exc.reason)
        except Exception as exc:  # a bug of ours, or something that nobody has thought of
            self.log.exception("failed", method=request.method, path=request.path)
            return problem(500, f"the control API failed; its log tells more ({type(exc).__name__}: {exc})")


async def _arguments(route: Route, request: web.Request) -> dict[str, Any] | web.Response:
    """What the request hands to the method of Control; or the answer that says what is wrong with it."""
    arguments: dict[str, Any] = dict(request.match_info)
    known = list(route.query.model_fields) if route.query else []
    if unknown := sorted(set(request.query) - set(known)):
        return problem(422, f"unknown in the query: {', '.join(unknown)}", known)
    if repeated := sorted(name for name in set(request.query) if len(request.query.getall(name)) > 1):
        return problem(422, f"more than once in the query: {', '.join(repeated)}; once is possible")
    if route.query:
        try:
            arguments["query"] = route.query.model_validate(dict(request.query))
        except ValidationError as exc:
            return of_validation(exc, route.query)
    if route.body:
        if request.content_type != JSON:
            return problem(415, f"a body of {JSON} is expected, not {request.content_type}", [JSON])
        try:
            arguments["body"] = route.body.model_validate_json(await request.read())
        except ValidationError as exc:
            return of_validation(exc, route.body)
    return arguments


def _response(route: Route, answer: object) -> web.Response:
    status = route.status
    if isinstance(answer, tuple):  # the answer, and another status than usual
        answer, status = answer
    if isinstance(answer, BaseModel):
        return web.Response(status=status, text=answer.model_dump_json(), content_type=JSON)
    assert isinstance(answer, bytes)
    charset = "utf-8" if str(route.answer).startswith("text/") else None
    return web.Response(status=status, body=answer, content_type=str(route.answer), charset=charset)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
