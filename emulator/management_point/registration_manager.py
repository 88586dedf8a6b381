"""MP_RegistrationManager: makes a computer a client of the site.

A registration is in the site database or it did not happen; an outage is answered as one, and
the client tries again later.
"""

from __future__ import annotations

from typing import Protocol

from emulator.clock import Clock
from emulator.logs import get_logger
from emulator.management_point.client_keys import ClientKeyCache
from emulator.protocol.message import Message
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.security import Security
from emulator.site_database.registration import APPROVED, Registered

# Status and ApprovalStatus of the reply. A registration is entered while its sender waits, so nobody is
# told Status 1 (still pending), which would keep a 2007 client from asking for policy at all: what waits
# for an administrator is the approval, and costs the client only the policies with secrets.
REGISTERED = 0
NOT_APPROVED, APPROVED_BY_SITE, NOT_APPLICABLE = -1, 2, 3


class Registrations(Protocol):
    """Where clients are registered."""

    async def register(
        self, request: ClientRegistrationRequest, *, approved: bool = True, replace_taken: bool = True
    ) -> Registered: ...


class RegistrationManager:
    """Answers MP_ClientRegistration."""

    log = get_logger("MP_RegistrationManager")

    def __init__(
        self,
        registrations: Registrations,
        keys: ClientKeyCache,
        clock: Clock,
        security: Security | None = None,
    ) -> None:
        self._registrations = registrations
        self._keys = keys
        self._clock = clock
        self._security = security or Security()

    async def answer(self, message: Message) -> str:
        """Register the sender; a confirmation of a registration is the same, once more.

        Raises:
            MalformedMessage: the body is no registration.
            BadSignature: it is not signed with the key it brings, or asks for the identity of another key
                (a lenient site gives such a client a new identity, and logs why).
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        request = ClientRegistrationRequest.from_xml(message.body_text)
        registered = await self._registrations.register(
            request,
            approved=self.approves(message),
            replace_taken=self._security.verification == "lenient",
        )
        if request.smsid and registered.smsid != request.smsid:
            self.log.warning(
                "another identity than asked for",
                asked=request.smsid,
                client=registered.smsid,
                reason="the certificate has that identity already, or the asked one has another key",
            )
        await self._keys.put(registered.smsid, request.signing)
        self.log.info(
            "client registered",
            client=registered.smsid,
            name=request.netbios_name,
            approval=registered.approval_status,
            user=message.windows_user,
            message_id=message.message_id,
        )
        return ClientRegistrationResponse(
            status=REGISTERED,
            smsid=registered.smsid,
            timestamp=self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            approval_status=self._told(registered, message),
            response_type=request.request_type,
        ).to_xml()

    def approves(self, message: Message) -> bool:
        """Whether a registration that came like this is approved at once."""
        if message.client_certificate:  # native mode: the site's own authority vouches for it
            return True
        policy = self._security.client_approval
        return policy == "all" or (policy == "trusted_domains" and bool(message.windows_user))

    @staticmethod
    def _told(registered: Registered, message: Message) -> int:
        if message.client_certificate:
            return NOT_APPLICABLE
        return APPROVED_BY_SITE if registered.approval_status == APPROVED else NOT_APPROVED
