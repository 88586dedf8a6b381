"""ClientIDManagerStartup: tells the site who the client is."""

from __future__ import annotations

from dataclasses import dataclass

from clients.identity import Identity
from clients.journal import Journal
from clients.settings import ClientSettings
from clients.transport import Outgoing, Transport
from emulator.clock import Clock
from emulator.errors import MalformedMessage, ManagementPointUnavailable
from emulator.protocol.names import normalize_smsid
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse

ENDPOINT = "MP_ClientRegistration"
# ClientRegistrationResponse Status (endpoints-and-messages.md section 11).
REGISTERED, PENDING, SEND_AGAIN, REJECTED = range(4)


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """What the site said; ``status`` is the response's own number."""

    registered: bool
    smsid: str
    status: int


class RegistrationAgent:
    """Registers the client; the same key and id as often as it takes."""

    def __init__(
        self,
        settings: ClientSettings,
        identity: Identity,
        transport: Transport,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._transport = transport
        self._clock = clock
        self._journal = journal

    @property
    def registered(self) -> bool:
        return self._identity.registered

    async def register(self, *, force: bool = False) -> RegistrationResult:
        """Register unless that was done before; ``force`` asks again.

        Raises:
            ManagementPointUnavailable: no answer, or the answer "send again" (Status 2).
        """
        identity = self._identity
        if identity.registered and not force:
            return RegistrationResult(True, identity.smsid, REGISTERED)
        message_id = identity.new_id()
        with self._journal.operation(
            "register", url=self._transport.request_url, smsid=identity.smsid, message_id=message_id
        ) as evidence:
            reply = await self._transport.send(
                Outgoing(message_id, ENDPOINT, self._request_xml()), signed=False
            )
            try:
                response = ClientRegistrationResponse.from_xml(reply)
            except MalformedMessage as exc:
                raise ManagementPointUnavailable(f"unreadable registration response: {exc}") from exc
            evidence |= {"response_status": response.status, "smsid": response.smsid}
            if response.status == SEND_AGAIN:
                raise ManagementPointUnavailable("the registration could not be processed: send again")
            if response.status == REGISTERED:
                identity.accept(normalize_smsid(response.smsid or identity.smsid))
        return RegistrationResult(response.status == REGISTERED, identity.smsid, response.status)

    def _request_xml(self) -> str:
        signer = self._identity.signer
        request = ClientRegistrationRequest(
            smsid=self._identity.smsid,
            agent_version=self._settings.client_version,
            timestamp=self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            signing=signer.certificate,
            encryption=signer.certificate,
            netbios_name=self._settings.name,
            fqdn=self._settings.fqdn,
            locale_id="1033",
            request_type="Registration",
        )
        return request.to_xml(signer)
