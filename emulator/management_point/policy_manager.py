"""MP_PolicyManager: which policies a client is assigned, and their bodies.

The two travel different paths on purpose: assignments are asked of the site database each time,
a body comes from this management point's cache when it was served before. There is no thought of
an outage here: it is an exception passing through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from emulator.logs import get_logger
from emulator.management_point.client_keys import ClientAuthentication
from emulator.management_point.policy_cache import PolicyCache
from emulator.message_journal import tell
from emulator.protocol.message import Message, claimed_sender
from emulator.protocol.policy import (
    PolicyVersion,
    ReplyAssignments,
    RequestAssignments,
    StoredPolicy,
    validation_crc,
)
from emulator.site_database.policy import Assignments


class PolicyStore(Protocol):
    """What the site database knows of policies."""

    async def assignments(self, smsid: str, after: int) -> Assignments:
        """What changed after a change number (withdrawn ones too), the newest number, and the client's key.

        After 0: all that are assigned now, and none that was withdrawn.
        """

    async def stored_policy(self, policy: PolicyVersion) -> StoredPolicy: ...


class PolicyManager:
    """Answers policy requests: assignments from the site database, bodies from the cache first."""

    log = get_logger("MP_PolicyManager")

    def __init__(
        self,
        store: PolicyStore,
        cache: PolicyCache,
        authentication: ClientAuthentication,
        site_code: str,
        sign: Callable[[bytes], str] | None = None,
    ) -> None:
        self._store = store
        self._cache = cache
        self._authentication = authentication
        self._site_code = site_code
        self._sign = sign  # native mode: the site server's signature on each assignment

    async def answer(self, message: Message) -> str:
        """The assignments of the message's sender.

        A reply is sent whatever ``Ack`` says, and whatever site the request names: public clients
        send constants there and wait (wire.md, section 14).

        Raises:
            MalformedMessage: the body is no request for assignments.
            BadSignature: the message is not signed by the client it asks for.
            UnknownClient: the client is not registered.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        request = RequestAssignments.from_xml(message.body_text)
        if request.resource_type == "User" and message.windows_user:
            return self._nothing(request)  # Windows says who asks; the message need not
        if request.resource_type == "User":
            await self._authentication.of_policy_request(message)
            return self._nothing(request)
        found = await self._store.assignments(request.client_id, self._seen(request))
        smsid = claimed_sender(message)
        if request.client_id == smsid:
            await self._authentication.by_certificate(message, found.signing)
        else:
            await self._authentication.of_policy_request(message)
            await self._authentication.for_another(message, request.client_id)
        reply = await self.assignments(request, found)
        # Nothing new is what nearly every poll is told; a line for each would cost more than the poll.
        tell = self.log.info if reply.assignments or reply.reply_type == "Full" else self.log.debug
        tell(
            "policy assignments",
            client=smsid,
            reply_type=reply.reply_type,
            count=len(reply.assignments),
            message_id=message.message_id,
        )
        return reply.to_xml(self._sign)

    def _nothing(self, request: RequestAssignments) -> str:
        """No policy of this site is for users: they are told so, and may ask again."""
        reply = ReplyAssignments(
            client_id=request.client_id,
            fqdn=request.fqdn,
            netbios_name=request.netbios_name,
            site_code=self._site_code,
            reply_type="Full",
            server_cookie=f"{self._site_code}:0",
            resource_type="User",
        )
        return reply.to_xml(self._sign)

    async def assignments(self, request: RequestAssignments, found: Assignments) -> ReplyAssignments:
        """Everything, or what has changed since the cookie; nothing new is an empty reply."""
        seen, client_id = self._seen(request), request.client_id
        if seen > found.newest:  # the database is older than the client remembers: it was restored
            seen = 0
            found = await self._store.assignments(client_id, seen)
        validation_data = ""
        if request.validation_crc:
            everything = found if not seen else await self._store.assignments(client_id, 0)
            validation_data = validation_crc(everything.policies)
        return ReplyAssignments(
            client_id=client_id,
            fqdn=request.fqdn,
            netbios_name=request.netbios_name,
            site_code=self._site_code,
            reply_type="OnUpdate" if seen else "Full",
            server_cookie=f"{self._site_code}:{found.newest}",
            assignments=found.policies,
            validation_data=validation_data,
        )

    def _seen(self, request: RequestAssignments) -> int:
        """The change number in the cookie; 0 for a full request or a cookie that is not ours."""
        site_code, _, number = request.server_cookie.partition(":")
        ours = site_code == self._site_code and number.isascii() and number.isdigit() and len(number) < 19
        return int(number) if request.request_type == "OnUpdate" and ours else 0

    async def stored(self, policy: PolicyVersion) -> StoredPolicy:
        """One policy body.

        A protected one is never cached: whom it may be given to is in the site database, and a secret
        shall not lie on this computer's disk. So a cached body is one that anybody may have.

        Raises:
            PolicyNotFound: there is no such policy.
            SiteDatabaseUnavailable: it is not cached, and the database cannot be asked.
        """
        body = self._cache.get(policy)
        tell(source="site database" if body is None else "cache")
        if body is not None:
            self.log.debug("policy body served from the cache", policy=policy.to_query(), bytes=len(body))
            return StoredPolicy(body)
        stored = await self._store.stored_policy(policy)
        if not stored.protected:
            await self._cache.put(policy, stored.body)
        self.log.info(
            "policy body served from the site database", policy=policy.to_query(), bytes=len(stored.body)
        )
        return stored
