"""CCM_System: where every message of a client arrives, ``CCM_POST /ccm_system/request``.

The target endpoint in the message's header says who answers. Reads bytes, calls one method,
writes bytes; the role turns errors into statuses. A 200 always has a body: an empty one would
mean "not ready, send it again" to public clients.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from aiohttp import hdrs, web

from emulator.clock import Clock
from emulator.errors import MalformedMessage
from emulator.logs import get_logger
from emulator.message_journal import tell
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_message, encode_reply
from emulator.protocol.names import new_guid
from emulator.role import shows_certificate

# What a message is, where its endpoint alone says so; reports say it themselves.
KINDS = {
    "mp_clientregistration": "registration",
    "mp_policymanager": "policy_assignments",
    "mp_locationmanager": "location",
    "mp_clientidmanager": "client_id",
}


class Endpoint(Protocol):
    """A component that answers messages: the text of the reply's body."""

    async def answer(self, message: Message) -> str: ...


class CcmSystem:
    """Takes a message apart and gives it to the endpoint it is for."""

    log = get_logger("MP_Framework")

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        clock: Clock,
        host: str,
        max_body: int,
        rng: random.Random,
        unseal: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._endpoints = {name.casefold(): endpoint for name, endpoint in endpoints.items()}
        self._clock = clock
        self._host = host
        self._max_body = max_body
        self._rng = rng
        self._unseal = unseal  # opens what was sealed for this management point

    async def request(self, request: web.Request, windows_user: str = "") -> web.Response:
        """Answer one message; ``windows_user`` is whose connection it came on, where that was asked.

        Raises:
            MalformedMessage: it cannot be understood, or no endpoint has this name.
            ConfigMgrError: whatever the endpoint has to say.
        """
        content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
        body = await request.read()
        certificate = shows_certificate(request)
        reply = await self.receive(
            content_type, body, windows_user=windows_user, client_certificate=certificate
        )
        return web.Response(body=reply, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    async def receive(
        self, content_type: str, body: bytes, *, windows_user: str = "", client_certificate: bool = False
    ) -> bytes:
        """The reply to a message, however it came here; the body is whole.

        Raises:
            MalformedMessage, ConfigMgrError: as for ``request``.
        """
        message = decode_message(content_type, body, self._max_body, self._unseal)
        if windows_user or client_certificate:
            message = replace(message, windows_user=windows_user, client_certificate=client_certificate)
        tell(
            endpoint=message.target_endpoint,
            kind=KINDS.get(message.target_endpoint.casefold()),
            client=message.source_host,
            smsid=message.source_id,
            message_id=message.message_id,
            body=message.body_text,
        )
        endpoint = self._endpoints.get(message.target_endpoint.casefold())
        if endpoint is None:
            raise MalformedMessage(f"no endpoint is called {message.target_endpoint!r}", raw=body)
        text = await endpoint.answer(message)
        self.log.debug("message answered", endpoint=message.target_endpoint, id=message.message_id)
        return encode_reply(
            message,
            text,
            reply_id=new_guid(self._rng),
            sent_time=_wire_time(self._clock.now()),
            source_host=self._host,
        )


def _wire_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
