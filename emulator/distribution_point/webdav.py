"""Which files a package has: PROPFIND, as the client asks before it starts BITS.

The client's reader wants ``a:multistatus/response/propstat/prop`` with ``getcontentlength`` and
``iscollection``; generic WebDAV clients want ``resourcetype``, hrefs that are paths, and a
trailing slash on collections (wire.md 11.1 and 11.5). Every href begins with the path that was asked
for, in its spelling, because clients cut that off.

The XML is written as text: ten thousand files are forty thousand elements, and only names need escaping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web
from lxml import etree

from emulator.distribution_point.resource import Resource
from emulator.errors import MalformedMessage
from emulator.protocol.xml import parse_xml

ALLOWED = ("OPTIONS", "GET", "HEAD", "PROPFIND")
DAV = "{DAV:}"
_HEADERS = {"DAV": "1", "Allow": ", ".join(ALLOWED), "MS-Author-Via": "DAV"}
_NO_XML = re.compile("[\ufffe\uffff]")  # control characters have no place in a stored name
OF_ALL = ("displayname", "resourcetype", "iscollection", "getlastmodified")
OF_FILES = (*OF_ALL, "getcontentlength", "getcontenttype", "getetag")


class WebDav:
    """Answers PROPFIND and OPTIONS; nothing can be changed this way."""

    def options(self) -> web.Response:
        return web.Response(headers=_HEADERS)

    async def propfind(self, request: web.Request, resource: Resource) -> web.Response:
        """207 with one response for each resource in reach of the Depth header.

        Raises:
            MalformedMessage: the depth or the body cannot be understood.
        """
        depth, _, form = request.headers.get("Depth", "infinity").lower().replace(" ", "").partition(",")
        if depth not in ("0", "1", "infinity") or form not in ("", "noroot"):
            raise MalformedMessage(f"Depth is 0, 1 or infinity, not {depth!r}")
        wanted = Wanted(await request.read())
        root = quote(request.path.rstrip("/"), safe="/$") + "/"
        parts = [] if form else [wanted.response(root if resource.is_collection else root[:-1], resource)]
        if depth != "0":
            parts += [wanted.response(href, below) for href, below in _below(root, resource, depth)]
        body = (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<a:multistatus xmlns:a="DAV:">{"".join(parts)}</a:multistatus>'
        )
        return web.Response(
            status=207, body=body.encode(), content_type="text/xml", charset="utf-8", headers=_HEADERS
        )


def _below(base: str, resource: Resource, depth: str) -> Iterator[tuple[str, Resource]]:
    """What lies below a collection, each with its href; a folder stands before what it holds."""
    for below in resource.children():
        href = base + quote(below.name)
        if below.is_collection:
            href += "/"
        yield href, below
        if depth == "infinity" and below.is_collection:
            yield from _below(href, below, depth)


class Wanted:
    """What a PROPFIND wants to know of each resource (RFC 4918, 9.1)."""

    def __init__(self, body: bytes) -> None:
        """Read the body; an empty one wants everything.

        Raises:
            MalformedMessage: it is no ``propfind``.
        """
        self._names: frozenset[str] | None = None  # of DAV:; None for all
        self._values = True
        self._unknown = ""  # the elements of those that no resource here has
        if not body.strip():
            return
        root = parse_xml(body)
        if root.tag != f"{DAV}propfind":
            raise MalformedMessage("the body of a PROPFIND is a DAV: propfind", raw=body)
        prop = root.find(f"{DAV}prop")
        if prop is None:
            self._values = root.find(f"{DAV}propname") is None
            return
        asked = list(dict.fromkeys(child.tag for child in prop if isinstance(child.tag, str)))
        known = {f"{DAV}{name}" for name in OF_FILES}
        self._names = frozenset(name.removeprefix(DAV) for name in asked if name in known)
        self._unknown = "".join(_empty(name) for name in asked if name not in known)

    def response(self, href: str, resource: Resource) -> str:
        """The ``response`` element of one resource."""
        names: tuple[str, ...] = OF_ALL if resource.is_collection else OF_FILES
        if self._names is None:
            found, missing = names, ""
        else:
            found = tuple(name for name in names if name in self._names)
            missing = self._unknown
            if resource.is_collection:
                missing += "".join(f"<a:{name}/>" for name in OF_FILES[len(OF_ALL) :] if name in self._names)
        text = "".join(_property(name, resource) if self._values else f"<a:{name}/>" for name in found)
        # A client may read the first propstat only: what was found comes first.
        propstats = _propstat(text, "200 OK") if found or not missing else ""
        if missing:
            propstats += _propstat(missing, "404 Not Found")
        return f"<a:response><a:href>{escape(href)}</a:href>{propstats}</a:response>"


def _propstat(properties: str, status: str) -> str:
    return f"<a:propstat><a:prop>{properties}</a:prop><a:status>HTTP/1.1 {status}</a:status></a:propstat>"


def _property(name: str, resource: Resource) -> str:
    match name:
        case "displayname":
            value = escape(_NO_XML.sub("?", resource.name))
        case "resourcetype":
            value = "<a:collection/>" if resource.is_collection else ""
        case "iscollection":
            value = "1" if resource.is_collection else "0"
        case "getlastmodified":
            value = http_date(resource.modified)
        case "getcontentlength":
            value = str(resource.size)
        case "getcontenttype":
            value = "application/octet-stream"
        case _:
            value = f'"{resource.etag}"'
    return f"<a:{name}>{value}</a:{name}>" if value else f"<a:{name}/>"


def _empty(tag: str) -> str:
    """An element without content, from Clark notation."""
    name = etree.QName(tag)
    if name.namespace == "DAV:":
        return f"<a:{name.localname}/>"
    return (
        f"<b:{name.localname} xmlns:b={quoteattr(name.namespace)}/>"
        if name.namespace
        else f"<{name.localname}/>"
    )


@lru_cache(maxsize=4096)
def http_date(modified: int) -> str:
    """Seconds since 1970 in the form of RFC 1123."""
    return format_datetime(datetime.fromtimestamp(modified, UTC), usegmt=True)
