"""A Toxiproxy-compatible API on the links of a site, for existing chaos scripts and client libraries.

Each link is a proxy named ``SOURCE-to-TARGET``, each toxic one of our wire faults. Proxies are the site's:
they cannot be made, moved or deleted here. A disabled one refuses connections; one that is cut in another
way is shown as disabled too. What a toxic cannot be is refused with the valid ones.

On a loopback address nobody is asked who he is. Anywhere else the control API's token is asked for, though
client libraries of Toxiproxy cannot show one: whoever wants to let them in from outside says so.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import hdrs, web

from emulator.control.control_api import MAX_BODY, is_loopback
from emulator.control.own_port import OwnPort
from emulator.control.toxic import Toxic, ToxicBody, ToxicChange
from emulator.control.toxiproxy_body import NamedProxy, ProxyBody, read_body
from emulator.errors import CannotStart, ConfigMgrError, NotAuthorized, ObjectConflict, ObjectNotFound
from emulator.faults.link import Link
from emulator.faults.refused import RefusedLink
from emulator.site import Site

VERSION = "2.9.0"  # of the API that is spoken
OPEN = "/version"  # asks nobody who he is: it is how a script sees whether somebody answers


class Toxiproxy(OwnPort):
    """The API of one site with links."""

    name = "toxiproxy"

    def __init__(
        self,
        site: Site,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        *,
        without_token: bool = False,
    ) -> None:
        """Port 0 takes a free one; Toxiproxy's own is 8474.

        Where the address is not loopback ``token`` is asked for, and made if there is none;
        ``without_token``: whoever reaches the port breaks the site's links.
        """
        super().__init__(host, port)
        self._site = site
        asks = not (without_token or is_loopback(host))
        self.token = (token or secrets.token_urlsafe(24)) if asks else None
        self._toxics: dict[str, dict[str, Toxic]] = {}
        self._one_at_a_time = asyncio.Lock()  # two that add the same toxic would leave a fault to nobody

    def application(self) -> web.Application:
        """Raises CannotStart: the site has no links."""
        if self._site.network is None:
            raise CannotStart("toxiproxy: the site has no links; start it with --links")
        app = web.Application(middlewares=[self._errors], client_max_size=MAX_BODY)
        add = app.router.add_route
        add("GET", OPEN, self._version)
        add("GET", "/proxies", self._list)
        add("POST", "/proxies", self._create)
        add("POST", "/populate", self._populate)
        add("POST", "/reset", self._reset)
        add("GET", "/proxies/{proxy}", self._show)
        add("POST", "/proxies/{proxy}", self._update)
        add("PATCH", "/proxies/{proxy}", self._update)
        add("DELETE", "/proxies/{proxy}", self._create)
        add("GET", "/proxies/{proxy}/toxics", self._list_toxics)
        add("POST", "/proxies/{proxy}/toxics", self._add_toxic)
        add("GET", "/proxies/{proxy}/toxics/{toxic}", self._show_toxic)
        add("POST", "/proxies/{proxy}/toxics/{toxic}", self._change_toxic)
        add("PATCH", "/proxies/{proxy}/toxics/{toxic}", self._change_toxic)
        add("DELETE", "/proxies/{proxy}/toxics/{toxic}", self._remove_toxic)
        return app

    # -- proxies -----------------------------------------------------------------------

    @property
    def _links(self) -> dict[str, Link]:
        assert self._site.network
        return {f"{a.source}-to-{a.target}": link for a, link in self._site.network.links.items()}

    def _link(self, request: web.Request) -> tuple[str, Link]:
        name = request.match_info["proxy"]
        link = self._links.get(name)
        if link is None:
            raise ObjectNotFound(f"proxy not found: {name!r}; valid: {', '.join(self._links)}")
        return name, link

    def _view(self, name: str, link: Link) -> dict[str, Any]:
        return {
            "name": name,
            "listen": f"{link.host}:{link.port}",
            "upstream": f"{link.to[0]}:{link.to[1]}",
            "enabled": _enabled(link),
            "toxics": [toxic.view() for toxic in self._set_on(name).values()],
        }

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VERSION})

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({name: self._view(name, link) for name, link in self._links.items()})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._view(*self._link(request)))

    async def _create(self, _: web.Request) -> web.Response:
        raise ObjectConflict("the proxies are the site's links: they cannot be made or deleted")

    async def _populate(self, request: web.Request) -> web.Response:
        """What there is already may be named, and enabled or disabled; nothing new can be made."""
        wanted = read_body(list[NamedProxy], await request.read())
        links = self._links
        for each in wanted:
            if each.name not in links:
                raise ObjectConflict(f"no link is called {each.name!r}; valid: {', '.join(links)}")
            self._require_same_place(each.name, links[each.name], each)
        for each in wanted:
            await self._enable(links[each.name], each.enabled)
        proxies = [self._view(each.name, links[each.name]) for each in wanted]
        return web.json_response({"proxies": proxies}, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        name, link = self._link(request)
        change = read_body(ProxyBody, await request.read())
        self._require_same_place(name, link, change)
        await self._enable(link, change.enabled)
        return web.json_response(self._view(name, link))

    def _require_same_place(self, name: str, link: Link, wanted: ProxyBody) -> None:
        there = self._view(name, link)
        for fixed in ("name", "listen", "upstream"):
            if getattr(wanted, fixed) not in (None, "", there[fixed]):
                raise ObjectConflict(f"{fixed}: a link of the site cannot change it; valid: {there[fixed]}")

    async def _enable(self, link: Link, enabled: bool | None) -> None:
        disabling = {"kind": RefusedLink.kind, "on": str(link.arrow)}
        async with self._one_at_a_time:
            if enabled in (None, _enabled(link)):
                return
            if not enabled:
                await self._site.set_fault(disabling)
                return
            for fault in self._site.faults():
                if fault.active and fault.spec == disabling:
                    await self._site.lift_fault(fault.id)
            if link.cuts:
                await self._site.mend(link.arrow.source, link.arrow.target)

    async def _reset(self, _: web.Request) -> web.Response:
        """Every toxic goes, every proxy is enabled."""
        async with self._one_at_a_time:
            for name in list(self._toxics):
                for toxic in list(self._set_on(name).values()):
                    await self._remove(name, toxic)
        for link in self._links.values():
            await self._enable(link, True)
        return web.Response(status=204)

    # -- toxics ------------------------------------------------------------------------

    def _set_on(self, proxy: str) -> dict[str, Toxic]:
        """The toxics of a proxy; one whose fault was lifted elsewhere, as a heal does, is none any more."""
        acting = {fault.id for fault in self._site.faults() if fault.active}
        toxics = self._toxics.setdefault(proxy, {})
        for name, toxic in list(toxics.items()):
            if toxic.set_as is not None and toxic.set_as not in acting:
                del toxics[name]
        return toxics

    async def _list_toxics(self, request: web.Request) -> web.Response:
        name, _ = self._link(request)
        return web.json_response([toxic.view() for toxic in self._set_on(name).values()])

    def _toxic(self, request: web.Request) -> tuple[str, Toxic]:
        proxy, _ = self._link(request)
        wanted = request.match_info["toxic"]
        there = self._set_on(proxy)
        if wanted not in there:
            raise ObjectNotFound(f"toxic not found: {wanted!r}; there are: {', '.join(there) or 'none'}")
        return proxy, there[wanted]

    async def _show_toxic(self, request: web.Request) -> web.Response:
        return web.json_response(self._toxic(request)[1].view())

    async def _add_toxic(self, request: web.Request) -> web.Response:
        proxy, _ = self._link(request)
        toxic = read_body(ToxicBody, await request.read()).toxic()
        async with self._one_at_a_time:
            if toxic.name in self._set_on(proxy):
                raise ObjectConflict(f"toxic already exists: {toxic.name}")
            await self._set(proxy, toxic)
        return web.json_response(toxic.view())

    async def _set(self, proxy: str, toxic: Toxic) -> None:
        """Have it act, in the place of one with its name."""
        fault = toxic.fault()
        on = str(self._links[proxy].arrow)
        set_as = await self._site.set_fault({**fault, "on": on}) if fault else None
        self._toxics.setdefault(proxy, {})[toxic.name] = replace(toxic, set_as=set_as)

    async def _change_toxic(self, request: web.Request) -> web.Response:
        change = read_body(ToxicChange, await request.read())
        async with self._one_at_a_time:
            proxy, old = self._toxic(request)
            new = old.changed(change)
            await self._set(proxy, new)  # first: the old one is still there if this is refused
            await self._lift(old)
        return web.json_response(new.view())

    async def _remove_toxic(self, request: web.Request) -> web.Response:
        async with self._one_at_a_time:
            await self._remove(*self._toxic(request))
        return web.Response(status=204)

    async def _remove(self, proxy: str, toxic: Toxic) -> None:
        await self._lift(toxic)
        self._toxics[proxy].pop(
            toxic.name, None
        )  # a view that was asked for meanwhile has dropped it already

    async def _lift(self, toxic: Toxic) -> None:
        if toxic.set_as is not None:
            await self._site.lift_fault(toxic.set_as)

    # -- who may, and what is told ---------------------------------------------------------

    def _admit(self, request: web.Request) -> None:
        shown = request.headers.get(hdrs.AUTHORIZATION, "")
        if self.token is None or request.path == OPEN:
            return
        if not hmac.compare_digest(shown.encode(errors="surrogateescape"), f"Bearer {self.token}".encode()):
            raise NotAuthorized(
                "the control token is asked for: Authorization: Bearer <token>; a client library that cannot "
                "show it is let in by cmemu up --toxiproxy-without-token"
            )

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Errors in Toxiproxy's form."""
        try:
            self._admit(request)
            return await handler(request)
        except NotAuthorized as exc:
            return _refusal(401, str(exc), {hdrs.WWW_AUTHENTICATE: "Bearer"})
        except ObjectNotFound as exc:
            return _refusal(404, str(exc))
        except ObjectConflict as exc:
            return _refusal(409, str(exc))
        except ConfigMgrError as exc:
            return _refusal(400, str(exc))
        except web.HTTPNotFound:
            paths = sorted({route.canonical for route in request.app.router.resources()})
            return _refusal(404, f"nothing is at {request.path}; valid: {', '.join(paths)}")
        except web.HTTPMethodNotAllowed as exc:
            allowed = ", ".join(sorted(exc.allowed_methods))
            said = f"{request.method} does not go with {request.path}; valid: {allowed}"
            return _refusal(405, said, {hdrs.ALLOW: allowed})
        except web.HTTPRequestEntityTooLarge:
            refusal = _refusal(413, f"at most {MAX_BODY} bytes are accepted")
            refusal.force_close()
            return refusal


def _enabled(link: Link) -> bool:
    return not (link.cuts or link.refusals)


def _refusal(status: int, error: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error, "status": status}, status=status, headers=headers)
