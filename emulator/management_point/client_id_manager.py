"""MP_ClientIdManager: tells a computer which client it is, by what the site has discovered of it.

Asked before a computer has an identity, so nothing is signed. Hardware counts more than a name:
first the SMBIOS identifier, then a MAC address, then the NetBIOS name.
"""

from __future__ import annotations

from typing import Protocol

from emulator.logs import get_logger
from emulator.protocol.client_identity import ClientIdRequest, KnownClient, client_id_reply
from emulator.protocol.message import Message


class KnownClients(Protocol):
    """What the site database knows of computers."""

    async def find_client(self, request: ClientIdRequest) -> KnownClient | None: ...


class ClientIdManager:
    """Answers ClientIDRequest."""

    log = get_logger("MP_ClientIDManager")

    def __init__(self, clients: KnownClients) -> None:
        self._clients = clients

    async def answer(self, message: Message) -> str:
        """Which client this is.

        Raises:
            MalformedMessage: it is no such request, or says nothing of a computer.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        request = ClientIdRequest.from_xml(message.body_text)
        known = await self._clients.find_client(request)
        self.log.info("client id", name=request.name, client=known.client_id if known else "unknown")
        return client_id_reply(known)
