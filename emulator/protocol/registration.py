"""Registration: a client shows its certificates and gets its identity confirmed.

The request signs itself: the signature covers the text from ``<Data`` to ``</Data>`` exactly
as it was sent, white space included.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Self

from lxml import etree

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.names import normalize_smsid
from emulator.protocol.signing import (
    ANY_ALGORITHM,
    SHA256_OID,
    Signer,
    is_self_signed,
    public_key,
    verify_any,
)
from emulator.protocol.xml import (
    attribute,
    child,
    encode_utf16,
    expect_root,
    new,
    number,
    parse_xml,
    required,
    serialize,
    text_of,
)

# KeyType: the client made the certificate itself, or an authority issued it (which number: chosen by us).
SELF_SIGNED, ISSUED = "1", "2"


@dataclass(frozen=True, slots=True)
class ClientRegistrationRequest:
    """What a client says of itself; certificates are DER."""

    smsid: str
    agent_version: str
    timestamp: str
    signing: bytes
    encryption: bytes
    netbios_name: str
    fqdn: str
    locale_id: str = "1033"
    request_type: str = "Registration"

    def to_xml(self, signer: Signer) -> str:
        """The request, signed with the key of the signing certificate."""
        data = new(
            "Data",
            HashAlgorithm=SHA256_OID,
            SMSID=self.smsid,
            RequestType=self.request_type,
            TimeStamp=self.timestamp,
        )
        child(
            data,
            "AgentInformation",
            AgentIdentity="CCMSetup.exe",
            AgentVersion=self.agent_version,
            AgentType="0",
        )
        certificates = child(data, "Certificates")
        for tag, certificate in ("Encryption", self.encryption), ("Signing", self.signing):
            key_type = SELF_SIGNED if is_self_signed(certificate) else ISSUED
            child(certificates, tag, certificate.hex().upper(), Encoding="HexBinary", KeyType=key_type)
        properties = child(data, "DiscoveryProperties")
        for name, value in (
            ("Netbios Name", self.netbios_name),
            ("FQ Name", self.fqdn),
            ("Locale ID", self.locale_id),
            ("InternetFlag", "0"),
        ):
            child(properties, "Property", Name=name, Value=value)
        text = serialize(data)
        signature = signer.sign(text.encode("utf-16-le"))
        return (
            f"<ClientRegistrationRequest>{text}<Signature><SignatureValue>{signature}</SignatureValue>"
            "</Signature></ClientRegistrationRequest>"
        )

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Read and verify a request.

        Raises:
            MalformedMessage, BadSignature
        """
        root = expect_root(parse_xml(text), "ClientRegistrationRequest")
        signed = _signed_text(text)
        # Read what was signed and nothing else: an element beside it could say anything.
        data = expect_root(parse_xml(signed), "Data")
        signing = _certificate(data, "Signing")
        _verify(signed, signing, text_of(root, "Signature/SignatureValue"), attribute(data, "HashAlgorithm"))
        properties = {
            attribute(p, "Name").lower(): attribute(p, "Value")
            for p in data.iterfind("DiscoveryProperties/Property")
        }
        name = properties.get("netbios name", "")
        if not name:
            raise MalformedMessage("the discovery property 'NetBIOS Name' is missing")
        smsid = attribute(data, "SMSID")
        agent = data.find("AgentInformation")
        has_encryption = data.find("Certificates/Encryption") is not None
        return cls(
            smsid=normalize_smsid(smsid) if smsid else "",
            agent_version="" if agent is None else attribute(agent, "AgentVersion"),
            timestamp=attribute(data, "TimeStamp"),
            signing=signing,
            encryption=_certificate(data, "Encryption") if has_encryption else signing,
            netbios_name=name,
            fqdn=properties.get("fq name", name),
            locale_id=properties.get("locale id", ""),
            request_type=attribute(data, "RequestType", "Registration"),
        )


def _certificate(data: etree._Element, tag: str) -> bytes:
    value = text_of(data, f"Certificates/{tag}")
    try:
        certificate = binascii.unhexlify("".join(value.split()))
    except (binascii.Error, ValueError) as exc:
        raise MalformedMessage(f"<{tag}>: the certificate is not hexadecimal") from exc
    if not certificate:
        raise MalformedMessage(f"<{tag}>: the certificate is missing")
    public_key(certificate)  # secrets are encrypted for it one day: better refused now than then
    return certificate


def _signed_text(text: str) -> str:
    start = text.find("<Data")
    end = text.find("</Data>", start)
    if start < 0 or end < 0:
        raise MalformedMessage("<ClientRegistrationRequest> has no <Data>")
    return text[start : end + len("</Data>")]


def _verify(text: str, certificate: bytes, signature: str, algorithm: str) -> None:
    if not signature:
        raise BadSignature("the registration is not signed")
    signed = encode_utf16(text)
    try:
        # Without an algorithm it is the 2007 form, which SHA-1 belongs to.
        verify_any(
            certificate, (signed, signed + b"\0\0"), "".join(signature.split()), algorithm or ANY_ALGORITHM
        )
    except BadSignature as exc:
        raise BadSignature("the registration's signature does not match its certificate") from exc


@dataclass(frozen=True, slots=True)
class ClientRegistrationResponse:
    """Status 0 ok, 1 pending, 2 send again, 3 rejected; an identity with 0 and 1 only.

    ApprovalStatus is another matter: a registered client may still be unapproved (-1), approved (2) or
    known by its PKI certificate (3). A public client takes -1 for "not approved"; no other number is known.
    """

    status: int
    smsid: str
    timestamp: str
    approval_status: int = 2
    response_type: str = "Registration"

    def to_xml(self) -> str:
        root = new(
            "ClientRegistrationResponse",
            ResponseType=self.response_type,
            TimeStamp=self.timestamp,
            Status=str(self.status),
            **({"SMSID": self.smsid} if self.smsid else {}),
            ApprovalStatus=str(self.approval_status),
        )
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage."""
        root = expect_root(parse_xml(text), "ClientRegistrationResponse")
        smsid = attribute(root, "SMSID")
        return cls(
            status=number(required(root, "Status"), "Status"),
            smsid=normalize_smsid(smsid) if smsid else "",
            timestamp=attribute(root, "TimeStamp"),
            approval_status=number(attribute(root, "ApprovalStatus", "0"), "ApprovalStatus"),
            response_type=attribute(root, "ResponseType", "Registration"),
        )
