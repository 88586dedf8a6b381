"""A Toxiproxy-compatible API on the links of a site, for existing chaos scripts and client libraries.

Each link is a proxy named ``SOURCE-to-TARGET``, each toxic one of our wire faults. Proxies are the site's:
they cannot be made, moved or deleted here. A disabled one drops everything, as a cut network does, where
Toxiproxy would refuse connections. What a toxic cannot be is refused with the valid ones.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from emulator.control.own_port import OwnPort
from emulator.errors import CannotStart, ConfigMgrError, ObjectConflict, ObjectNotFound
from emulator.faults.link import Link
from emulator.site import Site

VERSION = "2.9.0"  # of the API that is spoken
STREAMS = {"upstream": "requests", "downstream": "replies"}


class BadToxic(ConfigMgrError):
    """The toxic cannot be set here."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """One that was set, as its owner knows it."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, Any]
    fault: str  # its id in the site

    def view(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": dict(self.attributes),
        }


def _milliseconds(attributes: Mapping[str, Any], name: str) -> float:
    return float(attributes.get(name, 0)) / 1000


def _latency(attributes: Mapping[str, Any], stream: str) -> dict[str, Any]:
    late, jitter = _milliseconds(attributes, "latency"), _milliseconds(attributes, "jitter")
    return {"kind": "latency", "seconds": late, "jitter": jitter, "direction": STREAMS[stream]}


def _bandwidth(attributes: Mapping[str, Any], stream: str) -> dict[str, Any]:
    rate = max(1, int(float(attributes.get("rate", 0)) * 1000))
    return {"kind": "bandwidth", "bytes_per_second": rate, "direction": STREAMS[stream]}


def _at_once(kind: str) -> Callable[[Mapping[str, Any], str], dict[str, Any]]:
    """A toxic that Toxiproxy can also have after a while; here only its value 0 can be done."""

    def fault(attributes: Mapping[str, Any], _: str) -> dict[str, Any]:
        if attributes.get("timeout"):
            raise BadToxic(f"timeout: {attributes['timeout']!r} cannot be done here; valid: 0")
        return {"kind": kind}

    return fault


# Toxic -> the table of our fault. Attributes are Toxiproxy's: milliseconds, kilobytes a second, bytes.
TOXICS: dict[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "latency": _latency,
    "bandwidth": _bandwidth,
    "slow_close": lambda a, _: {"kind": "slow_close", "seconds": _milliseconds(a, "delay")},
    "timeout": _at_once("hang"),
    "reset_peer": _at_once("reset"),
    "limit_data": lambda a, _: {"kind": "byte_limit", "bytes": int(a.get("bytes", 0))},
}


class Toxiproxy(OwnPort):
    """The API of one site with links."""

    name = "toxiproxy"

    def __init__(self, site: Site, host: str = "127.0.0.1", port: int = 0) -> None:
        """Port 0 takes a free one; Toxiproxy's own is 8474."""
        super().__init__(host, port)
        self._site = site
        self._toxics: dict[str, dict[str, Toxic]] = {}

    def application(self) -> web.Application:
        """Raises CannotStart: the site has no links."""
        if self._site.network is None:
            raise CannotStart("toxiproxy: the site has no links; start it with --links")
        app = web.Application(middlewares=[_errors])
        add = app.router.add_route
        add("GET", "/version", self._version)
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
            "enabled": not link.cuts,
            "toxics": [toxic.view() for toxic in self._toxics.get(name, {}).values()],
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
        """What there is already may be named; nothing new can be made."""
        named = [str(each.get("name")) for each in await request.json()]
        missing = [name for name in named if name not in self._links]
        if missing:
            raise ObjectConflict(f"no link is called {missing[0]!r}; valid: {', '.join(self._links)}")
        proxies = [self._view(name, self._links[name]) for name in named]
        return web.json_response({"proxies": proxies}, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        name, link = self._link(request)
        enabled = (await request.json()).get("enabled")
        arrow = link.arrow
        if enabled is False:
            await self._site.cut(arrow.source, arrow.target)
        elif enabled is True:
            await self._site.mend(arrow.source, arrow.target)
        return web.json_response(self._view(name, link))

    async def _reset(self, _: web.Request) -> web.Response:
        """Every toxic goes, every proxy is enabled."""
        for name, toxics in self._toxics.items():
            for toxic in list(toxics.values()):
                await self._lift(name, toxic)
        for link in self._links.values():
            if link.cuts:
                await self._site.mend(link.arrow.source, link.arrow.target)
        return web.Response(status=204)

    # -- toxics ------------------------------------------------------------------------

    async def _list_toxics(self, request: web.Request) -> web.Response:
        name, _ = self._link(request)
        return web.json_response([toxic.view() for toxic in self._toxics.get(name, {}).values()])

    def _toxic(self, request: web.Request) -> tuple[str, Toxic]:
        proxy, _ = self._link(request)
        wanted = request.match_info["toxic"]
        there = self._toxics.get(proxy, {})
        if wanted not in there:
            raise ObjectNotFound(f"toxic not found: {wanted!r}; there are: {', '.join(there) or 'none'}")
        return proxy, there[wanted]

    async def _show_toxic(self, request: web.Request) -> web.Response:
        return web.json_response(self._toxic(request)[1].view())

    async def _add_toxic(self, request: web.Request) -> web.Response:
        proxy, link = self._link(request)
        return web.json_response((await self._set(proxy, link, await request.json())).view())

    async def _set(self, proxy: str, link: Link, asked: Mapping[str, Any]) -> Toxic:
        kind = str(asked.get("type"))
        stream = str(asked.get("stream") or "downstream")
        if kind not in TOXICS:
            raise BadToxic(f"invalid toxic type {kind!r}; valid: {', '.join(TOXICS)}")
        if stream not in STREAMS:
            raise BadToxic(f"stream was invalid, can be either {' or '.join(STREAMS)}")
        name = str(asked.get("name") or f"{kind}_{stream}")
        if name in self._toxics.get(proxy, {}):
            raise ObjectConflict(f"toxic already exists: {name}")
        toxicity = float(asked.get("toxicity", 1.0))
        attributes = dict(asked.get("attributes") or {})
        spec = TOXICS[kind](attributes, stream)
        if toxicity < 1:
            spec["probability"] = toxicity
        fault = await self._site.set_fault({**spec, "on": str(link.arrow)})
        toxic = Toxic(name, kind, stream, toxicity, attributes, fault)
        self._toxics.setdefault(proxy, {})[name] = toxic
        return toxic

    async def _change_toxic(self, request: web.Request) -> web.Response:
        proxy, old = self._toxic(request)
        asked = await request.json()
        changed = {**old.view(), **asked, "attributes": {**old.attributes, **(asked.get("attributes") or {})}}
        await self._lift(proxy, old)
        return web.json_response((await self._set(proxy, self._links[proxy], changed)).view())

    async def _remove_toxic(self, request: web.Request) -> web.Response:
        await self._lift(*self._toxic(request))
        return web.Response(status=204)

    async def _lift(self, proxy: str, toxic: Toxic) -> None:
        await self._site.lift_fault(toxic.fault)
        del self._toxics[proxy][toxic.name]


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors in Toxiproxy's form."""
    try:
        return await handler(request)
    except ObjectNotFound as exc:
        return _refusal(404, str(exc))
    except ObjectConflict as exc:
        return _refusal(409, str(exc))
    except (ConfigMgrError, json.JSONDecodeError, TypeError, ValueError, AttributeError) as exc:
        return _refusal(400, str(exc))


def _refusal(status: int, error: str) -> web.Response:
    return web.json_response({"error": error, "status": status}, status=status)
