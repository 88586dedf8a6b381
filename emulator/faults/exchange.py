"""What passes over a link: exchanges of one request and one reply, in pieces as they arrive.

On a link to the site database nothing is taken apart: there a connection is one exchange, and
its request and its reply are all bytes in either direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from emulator.errors import ConfigMgrError
from emulator.protocol.client_token import ClientToken
from emulator.protocol.message import Message, claimed_sender, decode_message
from emulator.protocol.policy import PolicyVersion

if TYPE_CHECKING:
    from emulator.faults.wire_fault import AtWork

MAX_MESSAGE = 64 * 1024 * 1024  # bytes of a message that are looked into
CCM_POST, BITS_POST = "CCM_POST", "BITS_POST"
Part = Literal["head", "body", "frame", "end"]
_PACKAGE = re.compile(r"/(?:\w+_)?SMS_DP_(?:SMSPKG[A-Z]?|SMSSIG)\$/([A-Z0-9]{3}[0-9A-F]{5})\b", re.IGNORECASE)
_UPLOAD = re.compile(r"/SMSPKG/([A-Z0-9]{3}[0-9A-F]{5})\b", re.IGNORECASE)

# What a request without a message in it is for: the first segment of its path that says so.
PLACES = (".sms_pol", ".sms_aut", "CCM_Incoming", "SMS_DP_SMSPKG$", "SMSPKG", "AdminService", "inboxes")


@dataclass(slots=True)
class Piece:
    """Some bytes of one exchange, as they were read.

    ``frame`` is what chunked coding puts between the bytes of a body; ``end`` has no bytes: whoever
    sent them will send no more.
    """

    exchange: Exchange
    part: Part
    data: bytes
    arrived: float = 0.0  # loop time
    last: bool = False  # of its request, or of its reply

    def with_data(self, data: bytes) -> Piece:
        return replace(self, data=data)

    def split(self, at: int) -> tuple[Piece, Piece]:
        """The first so many bytes, and the rest, which is the last piece if this is."""
        at = max(at, 0)
        return replace(self, data=self.data[:at], last=False), replace(self, data=self.data[at:])

    def sliced(self, size: int) -> Iterator[Piece]:
        """Pieces of at most so many bytes."""
        rest = self
        while len(rest.data) > size:
            first, rest = rest.split(size)
            yield first
        yield rest


@dataclass(slots=True)
class Request:
    """The head of an HTTP request; the body too where a message travels in it."""

    verb: str
    target: str
    headers: dict[str, str]  # names in small letters
    body: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        """The decoded path; scheme and authority of an absolute target are not part of it."""
        return unquote(urlsplit(self.target).path if "://" in self.target else self.target.partition("?")[0])

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def has_message(self) -> bool:
        return self.verb == CCM_POST

    @property
    def wants_close(self) -> bool:
        return "close" in self.headers.get("connection", "").lower()


@dataclass(eq=False)
class Exchange:
    """One request and its reply on a link; ``request`` is None where HTTP is not spoken."""

    opaque: bool = False
    request: Request | None = None
    read: bool = False  # the request is here whole
    considered: set[str] = field(default_factory=set)  # ids of the faults that have had a look at it
    faults: list[AtWork] = field(default_factory=list)
    withheld: list[Piece] = field(default_factory=list)
    answer: bytes | None = None  # the reply that is given in the target's place
    forwarded: int = 0  # bytes of the request that have gone on to the target

    @property
    def decidable(self) -> bool:
        """Whether it is known what the request is."""
        if self.opaque:
            return True
        return self.request is not None and (self.read or not self.request.has_message)

    # -- what selectors ask ------------------------------------------------------------

    @cached_property
    def message(self) -> Message | None:
        """The message in the request, if it can be understood."""
        request = self.request
        if request is None or not request.has_message:
            return None
        try:
            return decode_message(request.headers.get("content-type", ""), bytes(request.body), MAX_MESSAGE)
        except ConfigMgrError:
            return None

    @cached_property
    def smsid(self) -> str:
        """The identity that the request shows, ``GUID:...``; empty where it shows none."""
        try:
            if self.message:
                return claimed_sender(self.message)
            token = ClientToken.from_headers(_TokenHeaders(self.request.headers)) if self.request else None
        except ConfigMgrError:
            return ""
        return token.client_id if token else ""

    @property
    def host(self) -> str:
        """The name of the computer that a message comes from."""
        return self.message.source_host if self.message else ""

    @cached_property
    def endpoint(self) -> str:
        """The message's target endpoint, or the place that the path names."""
        if self.message:
            return self.message.target_endpoint
        path = self.request.path.lower() if self.request else ""
        if re.search(r"/(?:\w+_)?sms_dp_sms(?:pkg[a-z]?|sig)\$", path):
            return "SMS_DP_SMSPKG$"
        return next((place for place in PLACES if f"/{place.lower()}" in path), "")

    @cached_property
    def policy_id(self) -> str:
        """The policy whose body is asked for."""
        if self.request is None or self.endpoint != ".sms_pol":
            return ""
        try:
            return PolicyVersion.from_query(self.request.query).policy_id
        except ConfigMgrError:
            return ""

    @cached_property
    def package_id(self) -> str:
        """The package that is read or stored."""
        path = self.request.path if self.request else ""
        found = _PACKAGE.search(path) or _UPLOAD.match(path)
        return found[1].upper() if found else ""


class _TokenHeaders(dict[str, str]):
    """Headers by names in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(name.lower(), default)
