"""Folders as IIS lists them, to the byte as public clients read them (wire.md 11.2).

Their expressions are strict: absolute links that begin with ``http://`` whatever the listing came over
(who asked by TLS changes the scheme itself), host and port of the request, double quotes, no slash at
the end, one space before the link, ``&lt;dir&gt`` without its semicolon, and no link to the folder above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from urllib.parse import quote, urlsplit

from aiohttp import hdrs, web

from emulator.distribution_point.resource import Resource
from emulator.settings import RoleAddress

_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_DIRECTORY = " " * 7 + "&lt;dir&gt"


def listing(
    request: web.Request, role: RoleAddress, folder: str, links: str, below: Iterable[Resource]
) -> str:
    """The page for a folder.

    ``folder`` is its path as asked for; ``links`` the path its entries are read under, which for
    ``Datalib`` is another one. Neither ends in a slash.
    """
    authority = authority_of(request, role)
    title = escape(f"{authority} - {folder}/")
    base = f"http://{authority}{quote(links)}/"
    base = base.replace("%24", "$")  # clients look for the names they know
    lines = "<br>\n".join(_line(resource, base) for resource in sorted(below, key=_order))
    end = "<br>" if lines else ""
    return (
        f"<html><head><title>{title}</title></head><body><H1>{title}</H1><hr>\n"
        f"<pre>{lines}{end}</pre><hr></body></html>\n"
    )


def authority_of(request: web.Request, role: RoleAddress) -> str:
    """Host and port that lead whoever asked back to us.

    The request target's own, where it is absolute; else the ``Host`` header's, unless it leaves out a port
    that is not the scheme's own (wire.md 1.1); else where the role listens.
    """
    target = request.raw_path
    if not target.startswith("/") and _AUTHORITY.fullmatch(authority := urlsplit(target).netloc):
        return authority
    ours, usual = (role.https_port, 443) if request.secure else (role.port, 80)
    host = request.headers.get(hdrs.HOST, "").strip()
    if (match := _AUTHORITY.fullmatch(host)) and (match[1] or ours == usual):
        return host  # a port that is not ours was mapped to ours on the way
    own = f"[{role.host}]" if ":" in role.host else role.host
    return own if ours == usual else f"{own}:{ours}"


def _order(resource: Resource) -> tuple[str, str]:
    return resource.name.casefold(), resource.name


def _line(resource: Resource, base: str) -> str:
    size = _DIRECTORY if resource.is_collection else f"{resource.size:>12}"
    link = f'<a href="{base}{quote(resource.name, safe="")}">{escape(resource.name)}</a>'
    return f"{_date(resource.modified)} {size} {link}"


@lru_cache(maxsize=1024)
def _date(modified: int) -> str:
    """As IIS writes it in the United States: no leading zeros, twelve hours, here in UTC."""
    time = datetime.fromtimestamp(modified, UTC)
    hours = f"{time.hour % 12 or 12}:{time.minute:02} {'PM' if time.hour >= 12 else 'AM'}"
    return f"{f'{time.month}/{time.day}/{time.year}':>9} {hours:>8}"
