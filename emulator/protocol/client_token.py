"""Client tokens: an identity and a time, signed; what a policy download shows instead of a message.

Three forms (wire.md 7.1 and 3.1): the headers ``ClientToken`` and ``ClientTokenSignature``; boot
media's four headers ``CCMClientID...`` and ``CCMClientTimestamp...``, each value with a signature of
its own; and the property ``Token`` of a message's ``clientauth`` hook, which holds the first two as
lines. The time in a token is not judged: public clients send local time and mark it as UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.names import normalize_smsid
from emulator.protocol.signing import ANY_ALGORITHM, verify_any

TOKEN, TOKEN_SIGNATURE = "ClientToken", "ClientTokenSignature"
_FOUR = ("CCMClientID", "CCMClientTimestamp")


@dataclass(frozen=True, slots=True)
class ClientToken:
    """Who claims to ask, and the signed texts that shall prove it."""

    client_id: str  # GUID:...
    signed: tuple[tuple[str, str], ...]  # text and signature

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self | None:
        """The token of a request, in either form; None where there is none.

        Raises:
            BadSignature: half of one.
            MalformedMessage: it names no client.
        """
        if TOKEN in headers or TOKEN_SIGNATURE in headers:
            return cls._of(headers.get(TOKEN, ""), headers.get(TOKEN_SIGNATURE, ""))
        if _FOUR[0] not in headers:
            return None
        signed = tuple((headers.get(name, ""), headers.get(f"{name}Signature", "")) for name in _FOUR)
        if not all(text and signature for text, signature in signed):
            raise BadSignature("CCMClientID and CCMClientTimestamp need a signature each")
        return cls(normalize_smsid(signed[0][0]), signed)

    @classmethod
    def from_property(cls, text: str) -> Self:
        """The ``Token`` of a clientauth hook: lines of name, colon, value.

        Raises:
            BadSignature, MalformedMessage: as for ``from_headers``.
        """
        lines = (line.partition(":") for line in text.splitlines())
        values = {name.strip().lower(): value.strip() for name, _, value in lines}
        return cls._of(values.get(TOKEN.lower(), ""), values.get(TOKEN_SIGNATURE.lower(), ""))

    @classmethod
    def _of(cls, token: str, signature: str) -> Self:
        if not token or not signature:
            raise BadSignature("a client token needs a text and a signature")
        client_id, semicolon, _ = token.partition(";")
        if not semicolon:
            raise MalformedMessage("a client token is <client id>;<time>")
        return cls(normalize_smsid(client_id), ((token, signature),))

    def verify(self, certificate: bytes) -> None:
        """See that the certificate's holder signed it; with or without the NUL at the end of a text.

        Raises:
            BadSignature: another key, another text.
        """
        for text, signature in self.signed:
            try:
                texts = ((text + "\0").encode("utf-16-le"), text.encode("utf-16-le"))
            except UnicodeEncodeError as exc:  # header bytes that are no UTF-8 arrive as surrogates
                raise BadSignature("the token is no text") from exc
            try:
                verify_any(certificate, texts, signature, ANY_ALGORITHM)
            except BadSignature as exc:
                raise BadSignature(f"the token of {self.client_id} is not signed with its key") from exc
