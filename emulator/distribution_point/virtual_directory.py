"""The virtual directories of a distribution point: which one a path names, and what lies below it.

2007 names the package directory after the drive (``SMS_DP_SMSPKGD$``), later releases do not; both have
one for signature files, and later ones the same again under ``NOCERT_`` (TLS without a client
certificate) and ``CCMTOKENAUTH_`` (a bearer token). No name here has a case (wire.md 1.1, 11.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote

from aiohttp import web

from emulator.errors import ObjectNotFound
from emulator.protocol.content import safe_relative

_NAME = re.compile(r"(NOCERT_|CCMTOKENAUTH_|)SMS_DP_(?:SMSPKG[A-Z]?|(SMSSIG))\$", re.IGNORECASE)
SCCM = "/sccm"


class Entrance(Enum):
    """What a virtual directory asks of whoever enters."""

    ORDINARY = ""
    NO_CERTIFICATE = "nocert_"
    TOKEN = "ccmtokenauth_"


@dataclass(frozen=True, slots=True)
class VirtualDirectory:
    """One virtual directory, spelled as the client did."""

    name: str
    entrance: Entrance
    signatures: bool  # of signature files; else of packages


@lru_cache(maxsize=256)
def virtual_directory(name: str) -> VirtualDirectory | None:
    """What a path's first segment names, if it is one of ours."""
    match = _NAME.fullmatch(name)
    return VirtualDirectory(name, Entrance(match[1].lower()), bool(match[2])) if match else None


def split_path(path: str) -> tuple[str, str]:
    """The first segment of a decoded path, and what follows it without the slashes around."""
    first, _, rest = path.lstrip("/").partition("/")
    return first, rest


def path_below(request: web.Request, rest: str) -> str:
    """The path inside the virtual directory that a request names; empty for the directory itself.

    The client asks for ``<package>/sccm?/<file>``: what follows the question mark is the file's path,
    escaped or not, and a plus sign in it is a plus sign.

    Raises:
        UnsafePath: it leaves the directory.
        ObjectNotFound: the query is no file's path.
    """
    path = rest.strip("/")
    if path[-len(SCCM) :].lower() == SCCM and request.query_string:
        try:
            query = unquote(request.rel_url.raw_query_string, errors="strict")
        except UnicodeDecodeError as exc:
            raise ObjectNotFound(f"{request.rel_url.raw_query_string!r} is no file's path") from exc
        path = f"{path[: -len(SCCM)]}/{query.strip('/')}"
    return safe_relative(path).as_posix() if path else ""
