"""Whose certificate is whose: what lets this management point check a signature.

Policy requests ask the site database each time. Reports may not: with the database off they are
still accepted and travel to the site server, so the certificates of clients that were verified
here before are kept on disk. That memory serves reports only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from emulator.errors import BadSignature, CannotStart, UnknownClient
from emulator.logs import get_logger
from emulator.protocol.client_token import ClientToken
from emulator.protocol.message import Message, claimed_sender, verify_message
from emulator.protocol.names import normalize_smsid
from emulator.protocol.policy import PolicyVersion
from emulator.site_database.registration import ClientKey
from emulator.spool import write_durably

_IN_MEMORY = 1024  # certificates


class ClientKeyData(Protocol):
    """What the site database knows of a client."""

    async def client_key(self, smsid: str) -> ClientKey | None: ...

    async def is_assigned(self, smsid: str, version: PolicyVersion) -> bool: ...


class ClientKeyCache:
    """A folder of certificates, one file a client."""

    log = get_logger("MP_RegistrationManager")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, bytes] = {}  # what was put a moment ago, so that a poll reads no file
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CannotStart(f"{folder}: the folder cannot be written ({exc.strerror})") from exc

    def _path(self, smsid: str) -> Path:
        return self._folder / f"{normalize_smsid(smsid).removeprefix('GUID:')}.cer"

    def get(self, smsid: str) -> bytes | None:
        kept = self._kept.get(smsid)
        if kept is not None:
            return kept
        try:
            return self._path(smsid).read_bytes()
        except OSError:
            return None

    async def put(self, smsid: str, certificate: bytes) -> None:
        """Remember; a disk that refuses costs only what a later outage would have needed."""
        if self.get(smsid) == certificate:
            self._keep(smsid, certificate)
            return
        try:
            await asyncio.to_thread(write_durably, self._path(smsid), certificate)
            self._keep(smsid, certificate)
        except OSError as exc:
            self.log.warning("client certificate not kept", smsid=smsid, reason=str(exc))

    def _keep(self, smsid: str, certificate: bytes) -> None:
        if len(self._kept) >= _IN_MEMORY and smsid not in self._kept:
            del self._kept[next(iter(self._kept))]
        self._kept[smsid] = certificate


class ClientAuthentication:
    """Checks who sent a message, or asks for a secret.

    A site whose verification is lenient believes what it cannot prove, and logs the reason that a
    strict one refuses for: the lie is served, and stays visible.
    """

    log = get_logger("MP_ClientAuth")

    def __init__(self, known: ClientKeyData, cache: ClientKeyCache, *, strict: bool = True) -> None:
        self._known = known
        self._cache = cache
        self._strict = strict

    async def of_policy_request(self, message: Message) -> str:
        """The sender's SMSID, by what the database says now.

        Raises:
            BadSignature: the message is unsigned, or not signed by this client.
            UnknownClient: nobody is registered under this identity.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        key = await self._known.client_key(claimed_sender(message)) if message.auth else None
        return await self.by_certificate(message, key.signing if key else None)

    async def by_certificate(self, message: Message, certificate: bytes | None) -> str:
        """As ``of_policy_request``, by what the database has just said of the sender; None: it knows nobody.

        Raises:
            BadSignature, UnknownClient: as for a policy request.
        """
        smsid = claimed_sender(message)
        try:
            signed(message)
            if certificate is None:
                raise _unknown(smsid)
            verify_message(message, certificate)
        except (BadSignature, UnknownClient) as exc:
            self.doubt(exc, smsid)
        else:
            await self._cache.put(smsid, certificate)
        return smsid

    async def of_report(self, message: Message) -> str:
        """The sender's SMSID, by what is remembered, and by the database where that does not do.

        A client that registered anew elsewhere has a new key: so a signature that does not match
        the remembered one is checked once more. A client whose registration was deleted is found
        out by the site server, where its report finds no resource.

        Raises:
            BadSignature, UnknownClient, SiteDatabaseUnavailable: as for a policy request.
        """
        smsid = claimed_sender(message)
        remembered = self._cache.get(smsid) if message.auth else None
        if remembered is not None:
            try:
                verify_message(message, remembered)
            except BadSignature as exc:
                if (await self._registered(smsid)).signing == remembered:
                    self.doubt(exc, smsid)
                    return smsid
            else:
                return smsid
        return await self.of_policy_request(message)

    async def of_download(self, headers: Mapping[str, str], policy: PolicyVersion) -> ClientKey:
        """The keys of the client whose token a download shows, by what the database says now.

        Raises:
            BadSignature: there is no token, it is not signed with the client's key, or the policy is not
                assigned to the client.
            UnknownClient, SiteDatabaseUnavailable: as for a policy request; whom nobody knows has no
                certificate to encrypt for, so here a lenient site refuses too.
            MalformedMessage: the token is none.
        """
        token = ClientToken.from_headers(headers)
        if token is None:
            raise BadSignature("the policy is for clients that show a token")
        key = await self._registered(token.client_id)
        try:
            token.verify(key.signing)
        except BadSignature as exc:
            self.doubt(exc, token.client_id)
        if not await self._known.is_assigned(token.client_id, policy):
            self.doubt(BadSignature(f"the policy is not assigned to {token.client_id}"), token.client_id)
        return key

    async def for_another(self, message: Message, asked: str) -> None:
        """See whether a verified sender may ask in another name.

        A boot medium asks for computers that are no clients yet; nobody asks for somebody else's.

        Raises:
            BadSignature: it may not.
            SiteDatabaseUnavailable: the database cannot be asked.
        """
        by_token = message.auth is not None and message.auth.token
        if not (by_token and await self._known.client_key(asked) is None):
            self.doubt(BadSignature(f"{claimed_sender(message)} asks for the policies of {asked}"), asked)

    def doubt(self, lie: BadSignature | UnknownClient, claimed: str) -> None:
        """Refuse, or believe all the same and say so."""
        if self._strict:
            raise lie
        self.log.warning("believed without proof", client=claimed, reason=str(lie))

    async def _registered(self, smsid: str) -> ClientKey:
        key = await self._known.client_key(smsid)
        if key is None:
            raise _unknown(smsid)
        return key


def _unknown(smsid: str) -> UnknownClient:
    return UnknownClient(f"{smsid} is not registered in this site")


def signed(message: Message) -> None:
    """See that a message is signed at all.

    Raises:
        BadSignature: it is not.
    """
    if message.auth is None:
        raise BadSignature(f"the message of {message.source_id} is not signed")
