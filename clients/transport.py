"""All HTTP a client speaks, and the one place where an outage gets its name.

aiohttp shows an outage as ClientError, TimeoutError or OSError; agents see only
ManagementPointUnavailable and DistributionPointUnavailable, each with what was seen.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from yarl import URL

from clients.bits_upload import PacketReply, upload
from clients.identity import Identity
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.errors import DistributionPointUnavailable, MalformedMessage, ManagementPointUnavailable
from emulator.protocol.bits_upload import VERB
from emulator.protocol.envelope import ContentKey, seal_bytes
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_reply, encode_message
from emulator.protocol.site_security import parse_mpcert

OUTAGE = (aiohttp.ClientError, TimeoutError, OSError)
# A request that failed before it was sent can have had no effect.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_USER_AGENT = "SMS CCM 4.0"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the management point; its id and text are final before it is ever sent."""

    message_id: str
    endpoint: str
    body: str


def seen(exc: BaseException) -> str:
    """An exception as evidence: its class, and its text where it has one."""
    text = str(exc).strip()
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


class Transport:
    """One client's connection to management points and distribution points."""

    def __init__(
        self, settings: ClientSettings, clock: Clock, identity: Identity, tls: ssl.SSLContext | None = None
    ) -> None:
        """``tls``: native mode, with which certificate the client speaks and whom it believes."""
        self._settings = settings
        self._tls = tls
        self._clock = clock
        self._identity = identity
        self.patience = settings.request_timeout  # real seconds for one request
        self._recipient: bytes | None = None  # the management point's certificate, where reports are sealed
        self._session: aiohttp.ClientSession | None = None

    @property
    def request_url(self) -> str:
        return f"{self._settings.management_point}/ccm_system/request"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection per request, as the client's messaging does ("Connection: close"):
            # a pooled connection to a role that died would fail a request that could succeed.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, ssl=self._tls or True),
                headers={"User-Agent": _USER_AGENT},
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def abandon(self) -> None:
        """Drop every connection as a killed process would: nothing is said to the other side."""
        if self._session is not None:
            connector = self._session.connector
            if connector is not None:
                connector._close()  # the synchronous half of close(); a killed process awaits nothing
            self._session.detach()
            self._session = None

    # -- the management point ------------------------------------------------------

    async def send(
        self, outgoing: Outgoing, *, signed: bool = True, seal: Callable[[bytes], bytes] | None = None
    ) -> str:
        """Send one message (CCM_POST), perhaps sealed, and return the text of its reply.

        Raises:
            ManagementPointUnavailable: no usable answer; ``status`` and text say what was seen.
        """
        body = self._encode(outgoing, signed, seal)
        try:
            content_type, reply = await self._exchange("CCM_POST", self.request_url, data=body)
        except ManagementPointUnavailable as exc:
            self._judge(exc, signed)
            raise
        try:
            return decode_reply(content_type, reply)
        except MalformedMessage as exc:
            # Whatever stands there acknowledged nothing we understand.
            raise ManagementPointUnavailable(f"HTTP 200 with an unreadable reply: {exc}", status=200) from exc

    async def deliver(self, outgoing: Outgoing) -> bool:
        """Send one report whose reply tells nothing: in one request, or uploaded when it is a large one.

        Returns whether it was uploaded.

        Raises:
            ManagementPointUnavailable: as for ``send``.
        """
        threshold = self._settings.message_size_threshold
        seal = await self._sealing() if self._settings.encrypt_reports else None
        body = b"" if threshold is None else self._encode(outgoing, signed=True, seal=seal)
        if threshold is None or len(body) <= threshold * 1024:
            await self.send(outgoing, seal=seal)
            return False
        name = outgoing.message_id.strip("{}")
        try:
            await upload(self._packet, f"{self._settings.management_point}/CCM_Incoming/%7B{name}%7D", body)
        except ManagementPointUnavailable as exc:
            self._judge(exc, signed=True)
            raise
        return True

    def _judge(self, exc: ManagementPointUnavailable, signed: bool) -> None:
        if signed and exc.status == 403:  # the site does not know this client, or not this key
            self._identity.forget_registration()

    async def _sealing(self) -> Callable[[bytes], bytes]:
        """How to seal for the management point; its certificate is asked for before the first time.

        Raises:
            ManagementPointUnavailable: it does not tell its certificate.
        """
        if self._recipient is None:
            reply = await self.get("/SMS_MP/.sms_aut?MPCERT")
            try:
                self._recipient = parse_mpcert(reply)
            except MalformedMessage as exc:
                raise ManagementPointUnavailable(f"unreadable certificate: {exc}") from exc
        certificate = self._recipient
        return lambda data: seal_bytes(data, certificate, ContentKey.from_random("3des", os.urandom(48)))

    def _encode(
        self, outgoing: Outgoing, signed: bool, seal: Callable[[bytes], bytes] | None = None
    ) -> bytes:
        message = Message(
            message_id=outgoing.message_id,
            source_id=self._identity.smsid if signed else "",
            source_host=self._settings.name,
            target_endpoint=outgoing.endpoint,
            body_text=outgoing.body,
            sent_time=self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            target_host=URL(self.request_url).authority,
        )
        return encode_message(message, self._identity.signer if signed else None, seal)

    async def _packet(self, url: str, headers: Mapping[str, str], data: bytes) -> PacketReply:
        """One packet of an upload; any answer is handed over."""
        timeout = aiohttp.ClientTimeout(total=self.patience)
        try:
            async with self._open().request(
                VERB, URL(url, encoded=True), data=data, headers=headers, timeout=timeout
            ) as response:
                reason = (await response.read())[:300].decode("utf-8", "replace").strip()
                return PacketReply(response.status, response.headers, reason)
        except OUTAGE as exc:
            raise ManagementPointUnavailable(seen(exc), sent=not isinstance(exc, NOT_SENT)) from exc

    async def get(self, path_and_query: str, *, with_token: bool = False) -> bytes:
        """GET something of the management point's, such as ``/SMS_MP/.sms_pol?...``.

        Raises:
            ManagementPointUnavailable: as for ``send``.
        """
        headers = {}
        if with_token:
            token, signature = self._identity.signer.client_token(self._identity.smsid, self._clock.now())
            headers = {"ClientToken": token, "ClientTokenSignature": signature}
        url = self._settings.management_point + path_and_query
        return (await self._exchange("GET", url, headers=headers))[1]

    async def _exchange(
        self, method: str, url: str, *, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[str, bytes]:
        headers = dict(headers or {})
        if data is not None:
            headers["Content-Type"] = CONTENT_TYPE
        timeout = aiohttp.ClientTimeout(total=self.patience)
        try:
            async with self._open().request(
                method, URL(url, encoded=True), data=data, headers=headers, timeout=timeout
            ) as response:
                body = await response.read()
                if response.status != 200:
                    reason = body[:300].decode("utf-8", "replace").strip()
                    raise ManagementPointUnavailable(
                        f"HTTP {response.status} {reason}".strip(),
                        status=response.status,
                        sent=response.status >= 500,
                    )
                return response.headers.get("Content-Type", ""), body
        except OUTAGE as exc:
            raise ManagementPointUnavailable(seen(exc), sent=not isinstance(exc, NOT_SENT)) from exc

    # -- a distribution point ------------------------------------------------------

    async def list_files(self, url: str) -> bytes:
        """PROPFIND of a package with everything below it; returns the multistatus document.

        Raises:
            DistributionPointUnavailable: no 207 came.
        """
        timeout = aiohttp.ClientTimeout(total=self.patience)
        try:
            async with self._open().request(
                "PROPFIND", URL(url, encoded=True), headers={"Depth": "infinity"}, timeout=timeout
            ) as response:
                body = await response.read()
                if response.status != 207:
                    raise DistributionPointUnavailable(f"HTTP {response.status}", status=response.status)
                return body
        except OUTAGE as exc:
            raise DistributionPointUnavailable(seen(exc)) from exc

    @asynccontextmanager
    async def read_file(self, url: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET one file of a package; reading goes on inside the ``async with``.

        Any answer is handed over (206, 200 and 416 all mean something to a download).

        Raises:
            DistributionPointUnavailable: the connection failed, or broke while reading.
        """
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self.patience,
            sock_read=self.patience,
        )
        try:
            async with self._open().get(URL(url, encoded=True), headers=headers, timeout=timeout) as response:
                yield response
        except asyncio.CancelledError:
            raise
        except OUTAGE as exc:
            raise DistributionPointUnavailable(seen(exc)) from exc


def file_url(package_url: str, relative: str) -> str:
    """The URL of one file of a package."""
    return f"{package_url.rstrip('/')}/{quote(relative)}"
