"""The control API: break, heal, watch and rewind a running site over HTTP.

One table of routes is the API: it is what is served, what the OpenAPI document is made from, and what an
unknown address is told. On a loopback address nobody is asked who he is; anywhere else a token is.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import secrets
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from emulator.control.control import Control
from emulator.control.openapi import Route, document
from emulator.control.own_port import OwnPort
from emulator.control.problems import not_json, of_error, problem
from emulator.control.routes import ROUTES
from emulator.errors import ConfigMgrError, NotAuthorized
from emulator.logs import get_logger

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
        self.token = token or (None if is_loopback(host) else secrets.token_urlsafe(24))

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._problems], client_max_size=MAX_BODY)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._handler(route))
        app.on_cleanup.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        await self._control.close()

    # -- one request -------------------------------------------------------------------

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not route.open:
                self._admit(request)
            if route.name == "openapi":
                return web.json_response(document(ROUTES, version("configmgr-emulator")))
            arguments: dict[str, Any] = dict(request.match_info)
            unknown = sorted(set(request.query) - set(route.query.model_fields if route.query else ()))
            if unknown:
                valid = list(route.query.model_fields) if route.query else []
                return problem(422, f"unknown in the query: {', '.join(unknown)}", valid)
            if route.query:
                arguments["query"] = route.query.model_validate(dict(request.query))
            if route.body:
                if request.content_type != JSON:
                    return problem(415, f"a body of {JSON} is expected, not {request.content_type}", [JSON])
                arguments["body"] = route.body.model_validate_json(await request.read())
            return _response(route, await getattr(self._control, route.name)(**arguments))

        return handle

    def _admit(self, request: web.Request) -> None:
        shown = request.headers.get(hdrs.AUTHORIZATION, "")
        if self.token and not hmac.compare_digest(shown.encode(), f"Bearer {self.token}".encode()):
            raise NotAuthorized("the control API asks for its token: Authorization: Bearer <token>")

    @web.middleware
    async def _problems(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except json.JSONDecodeError as exc:
            return not_json(exc)
        except ValidationError as exc:
            return of_error(exc)
        except (ConfigMgrError, AssertionError) as exc:
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
