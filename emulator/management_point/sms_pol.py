"""GetPolicy: ``GET /SMS_MP/.sms_pol?<policy id>.<version>``, one policy body.

A policy whose flags demand no authentication goes to anybody, as it is in the database: UTF-16LE with
its mark. A protected one goes to a registered client that is assigned it and shows a token; a secret
one only to an approved one, in an envelope that nobody else can open, or as it is where TLS is around
it. Whoever comes without a token gets a page that begins ``<HTML>``: public clients look for exactly
this, and come again with one (wire.md 1.4).

What an outage of the site database leaves: bodies that anybody may have and that were served before. A
protected one needs the database each time, for the certificate and the approval.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from emulator.errors import BadSignature, UnknownClient
from emulator.logs import get_logger
from emulator.message_journal import tell
from emulator.protocol.envelope import ContentKey, Encryption, seal
from emulator.protocol.policy import PolicyVersion, StoredPolicy
from emulator.site_database.registration import ClientKey

_RANDOM_BYTES = 48  # the longest key and its IV
_REFUSED = "<HTML><HEAD><TITLE>Forbidden</TITLE></HEAD><BODY>403 - Forbidden: {}</BODY></HTML>\n"


class PolicyBodies(Protocol):
    """Who has policy bodies."""

    async def stored(self, policy: PolicyVersion) -> StoredPolicy: ...


class Readers(Protocol):
    """Who knows whose token a download shows."""

    async def of_download(self, headers: Mapping[str, str], policy: PolicyVersion) -> ClientKey: ...


class GetPolicy:
    """Answers ``.sms_pol``."""

    log = get_logger("MP_GetPolicy")

    def __init__(
        self,
        bodies: PolicyBodies,
        readers: Readers,
        encryption: Encryption = "3des",
        random: Callable[[int], bytes] = os.urandom,
        *,
        needs_tls: bool = False,
    ) -> None:
        self._bodies = bodies
        self._readers = readers
        self._encryption = encryption
        self._random = random
        self._needs_tls = needs_tls  # native mode: nothing protected leaves without

    async def get(self, request: web.Request) -> web.Response:
        """One body.

        Raises:
            MalformedMessage: the query names no policy, or the token is none.
            PolicyNotFound: there is no such policy.
            SiteDatabaseUnavailable: it is not cached or is protected, and the database cannot be asked.
        """
        # Braces come raw or escaped (wire.md 1.1).
        policy = PolicyVersion.from_query(request.rel_url.raw_query_string)
        tell(kind="policy_body", policy=policy.to_query())
        stored = await self._bodies.stored(policy)
        if not stored.protected:
            return web.Response(body=stored.body, content_type="text/xml", charset="utf-16")
        try:
            return await self._protected(request, policy, stored)
        except (BadSignature, UnknownClient) as exc:
            self.log.warning("policy refused", policy=policy.to_query(), status=403, reason=str(exc))
            # None of what was sent stands in the page: the reasons name identities that were checked.
            return web.Response(status=403, text=_REFUSED.format(exc), content_type="text/html")

    async def _protected(
        self, request: web.Request, policy: PolicyVersion, stored: StoredPolicy
    ) -> web.Response:
        if self._needs_tls and not request.secure:
            raise BadSignature("in native mode protected policies are read over TLS")
        key = await self._readers.of_download(request.headers, policy)
        if stored.secret and not key.approved:
            raise BadSignature("the client is not approved")
        if request.secure or not stored.secret:
            return web.Response(body=stored.body, content_type="text/xml", charset="utf-16")
        content_key = ContentKey.from_random(self._encryption, self._random(_RANDOM_BYTES))
        envelope = seal(stored.body, key.encryption, content_key)
        return web.Response(body=envelope, content_type="application/octet-stream")
