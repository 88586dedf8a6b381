"""The ``<Msg>`` header and what travels with it: the envelope of every client message.

A message is a multipart body: this header in UTF-16, then the payload, usually compressed.
What is signed is the payload as transmitted, so its bytes are kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from emulator.errors import BadSignature, MalformedMessage, MessageTooLarge
from emulator.protocol.client_token import ClientToken
from emulator.protocol.framing import decode_multipart, encode_multipart
from emulator.protocol.message_header import Attachment, Header, attachments_of, slice_of
from emulator.protocol.names import normalize_smsid
from emulator.protocol.signing import (
    ANY_ALGORITHM,
    SHA256_OID,
    Signer,
    public_key_blob,
    verify,
    verify_identity,
)
from emulator.protocol.xml import (
    attribute,
    child,
    decode_utf16,
    encode_utf16,
    escaped,
    expect_root,
    new,
    parse_xml,
    serialize,
)

NO_CORRELATION = "{00000000-0000-0000-0000-000000000000}"
NUL = b"\0\0"  # the character that ends a text on the wire
SMALL_BITS = 12
SMALL = 1 << SMALL_BITS  # bytes
ENCRYPTION = "encryption"  # the hook of messages that are sealed for the management point
MAX_REPLY = 64 * 1024 * 1024


# The header of a reply: one form, filled in. Fourteen elements built one by one cost as much as the rest.
_REPLY = (
    '<Msg ReplyCompression="{compression}" SchemaVersion="1.1">'
    '<Body Type="ByteRange" Length="{length}" Offset="0"/><CorrelationID>{correlation}</CorrelationID>'
    '{hooks}<ID>{id}</ID><Payload Type="inline"/><Priority>0</Priority><Protocol>http</Protocol>'
    "<ReplyMode>Sync</ReplyMode><SentTime>{sent}</SentTime><SourceHost>{source}</SourceHost>"
    "<TargetAddress>{address}</TargetAddress><TargetEndpoint>{endpoint}</TargetEndpoint>"
    "<TargetHost>{host}</TargetHost><Timeout>60000</Timeout></Msg>"
)


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """The ``clientauth`` hook: who signs, and the signatures."""

    sender_machine: str
    public_key: str
    client_id_signature: str
    payload_signature: str
    hash_algorithm: str = SHA256_OID
    token: str = ""  # boot media's form; none of the signatures is there then


@dataclass(frozen=True, slots=True)
class Message:
    """One message, client to management point."""

    message_id: str
    source_id: str
    source_host: str
    target_endpoint: str
    body_text: str
    sent_time: str
    compressed: bool = True
    reply_compression: str | None = "zlib"
    reply_mode: str = "Sync"
    target_host: str = ""
    auth: ClientAuth | None = None
    raw_payload: bytes = b""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""  # direct:<host>:<endpoint>; empty: the sender's messaging component
    file_type: str = ""  # what a relayed report is: SMX, SWM or IDMIF
    # How it came, never read from it: the account shown on the connection, and whether TLS was.
    windows_user: str = ""
    client_certificate: bool = False


def encode_message(
    message: Message, signer: Signer | None = None, seal: Callable[[bytes], bytes] | None = None
) -> bytes:
    """The HTTP body; signed with the client's key and sealed for the management point where those are given.

    Compressed, then signed, then sealed, in the order of the hooks' numbers backwards. What an encrypted
    message of the product looks like is nobody's published word: the hook and its envelope are our choice.
    """
    body = encode_utf16(message.body_text) + NUL
    payload = body + b"".join(attachment.data for attachment in message.attachments)
    payload += b"\r\n"  # the two bytes that public clients send and do not count
    if message.compressed:
        payload = deflate(payload)
    compression = {"ReplyCompression": message.reply_compression} if message.reply_compression else {}
    root = new("Msg", SchemaVersion="1.1", **compression)
    _append_attachments(root, message.attachments, len(body))
    child(root, "Body", Type="ByteRange", Length=str(len(body)), Offset="0")
    child(root, "CorrelationID", NO_CORRELATION)
    hooks = child(root, "Hooks")
    if signer:
        _sign(hooks, message, payload, signer)
    if message.compressed:
        child(hooks, "Hook3", Name="zlib-compress")
    if seal:
        child(hooks, "Hook1", Name=ENCRYPTION)
        payload = seal(payload)
    for tag, value in (
        ("ID", message.message_id),
        ("Priority", "0"),
        ("Protocol", "http"),
        ("ReplyMode", message.reply_mode),
        ("ReplyTo", message.reply_to or _messaging_of(message.source_host)),
        ("SentTime", message.sent_time),
        ("SourceID", message.source_id),
        ("SourceHost", message.source_host),
        ("TargetAddress", f"mp:{message.target_endpoint}"),
        ("TargetEndpoint", message.target_endpoint),
        ("TargetHost", message.target_host),
        ("Timeout", "60000"),
    ):
        child(root, tag, value)
    child(root, "Payload", Type="inline")
    if message.file_type:
        child(child(root, "Properties"), "Property", message.file_type, Name="FileType")
    return encode_multipart(serialize(root), payload)


def _append_attachments(root: etree._Element, attachments: tuple[Attachment, ...], offset: int) -> None:
    for attachment in attachments:
        length = len(attachment.data)
        child(
            root, "Attachment", Type="ByteRange", Length=str(length), Name=attachment.name, Offset=str(offset)
        )
        offset += length


def _messaging_of(host: str) -> str:
    """Where replies go by default: the messaging component of the sender."""
    return f"direct:{host}:SccmMessaging"


def _sign(hooks: etree._Element, message: Message, payload: bytes, signer: Signer) -> None:
    hook = child(hooks, "Hook2", Name="clientauth")
    for name, value in (
        ("AuthSenderMachine", message.source_host),
        ("PublicKey", public_key_blob(signer.certificate)),
        ("ClientIDSignature", signer.sign(encode_utf16(message.source_id) + NUL)),
        ("PayloadSignature", signer.sign(payload)),
        ("ClientCapabilities", "NonSSL"),
        ("HashAlgorithm", SHA256_OID),
    ):
        child(hook, "Property", value, Name=name)


def decode_message(
    content_type: str, body: bytes, max_body: int, unseal: Callable[[bytes], bytes] | None = None
) -> Message:
    """Understand what arrived, in every form that wire.md lists; ``unseal`` opens what was sealed for us.

    Raises:
        MalformedMessage: and what was expected. MessageTooLarge: more than ``max_body`` bytes once inflated.
    """
    framed = decode_multipart(content_type, body)
    root = expect_root(parse_xml(decode_utf16(framed.header)), "Msg")
    said = Header(root)
    hooks = {attribute(hook, "Name").lower(): hook for part in said.all("Hooks") for hook in part}
    compressed = "zlib-compress" in hooks
    payload = framed.payload
    if ENCRYPTION in hooks:
        if unseal is None:
            raise MalformedMessage("the message is encrypted, and nobody here can open it", raw=payload[:200])
        payload = unseal(payload)
    plain = inflate(payload, max_body) if compressed else payload
    if len(plain) > max_body:
        raise MessageTooLarge(f"a payload of {len(plain)} bytes; at most {max_body} are accepted")
    endpoint = said.text("TargetEndpoint")
    if not endpoint:
        raise MalformedMessage("the header names no TargetEndpoint", raw=framed.header[:200])
    host, reply_to = said.text("SourceHost"), said.text("ReplyTo")
    return Message(
        message_id=said.text("ID"),
        source_id=said.text("SourceID"),
        source_host=host,
        target_endpoint=endpoint,
        body_text=decode_utf16(slice_of(plain, next(iter(said.all("Body")), None))),
        sent_time=said.text("SentTime"),
        compressed=compressed,
        reply_compression=attribute(root, "ReplyCompression") or None,
        reply_mode=said.text("ReplyMode") or "Sync",
        target_host=said.text("TargetHost"),
        auth=_auth(hooks.get("clientauth")),
        raw_payload=payload,
        attachments=attachments_of(plain, said.all("Attachment")),
        reply_to="" if reply_to == _messaging_of(host) else reply_to,
        file_type=said.file_type(),
    )


def deflate(data: bytes) -> bytes:
    """zlib bytes, as every client inflates them."""
    if len(data) > SMALL:
        return zlib.compress(data)
    # A text that fits a small window needs no more than that. zlib's usual quarter of a megabyte is taken
    # from and given back to the system for every message, at four times the price of the work.
    small = zlib.compressobj(wbits=-SMALL_BITS, memLevel=5)
    return b"\x78\x9c" + small.compress(data) + small.flush() + zlib.adler32(data).to_bytes(4, "big")


def inflate(data: bytes, limit: int) -> bytes:
    """Decompress zlib bytes, never more than ``limit``.

    Raises:
        MalformedMessage: not zlib, or cut short. MessageTooLarge: it would become larger.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as exc:
        raise MalformedMessage(f"the payload is not zlib ({exc})", raw=data[:200]) from exc
    if len(plain) > limit:
        raise MessageTooLarge(f"the payload inflates to more than {limit} bytes")
    if not stream.eof:
        raise MalformedMessage("the compressed payload is cut short", raw=data[:200])
    return plain


def _auth(hook: etree._Element | None) -> ClientAuth | None:
    if hook is None:
        return None
    values = {attribute(p, "Name").lower(): (p.text or "").strip() for p in hook}
    return ClientAuth(
        sender_machine=values.get("authsendermachine", ""),
        public_key=values.get("publickey", ""),
        client_id_signature=values.get("clientidsignature", ""),
        payload_signature=values.get("payloadsignature", ""),
        hash_algorithm=values.get("hashalgorithm") or ANY_ALGORITHM,
        token=values.get("token", ""),
    )


def encode_reply(
    request: Message, body_text: str, *, reply_id: str, sent_time: str, source_host: str
) -> bytes:
    """The HTTP body of a reply: compressed unless the request says none, one trailing NUL."""
    compress = (request.reply_compression or "zlib").lower() != "none"
    length, payload = (_repeated if len(body_text) < SMALL else _payload)(body_text, compress)
    address = escaped(request.reply_to or _messaging_of(request.source_host))
    header = _REPLY.format(
        compression="zlib" if compress else "none",
        length=length,
        correlation=escaped(request.message_id or NO_CORRELATION),
        hooks='<Hooks><Hook3 Name="zlib-compress"/></Hooks>' if compress else "<Hooks/>",
        id=escaped(reply_id),
        sent=escaped(sent_time),
        source=escaped(source_host),
        address=address,
        endpoint=address.rpartition(":")[2],
        host=escaped(request.source_host),
    )
    return encode_multipart(header, payload)


def _payload(text: str, compress: bool) -> tuple[int, bytes]:
    """How long a reply's text is on the wire, and what is sent of it."""
    payload = encode_utf16(text) + NUL
    return len(payload), deflate(payload) if compress else payload


# Nearly every poll of a client is told what the one before was told, word for word: nothing is new.
_repeated = lru_cache(maxsize=4096)(_payload)


def decode_reply(content_type: str, body: bytes) -> str:
    """The text of a reply's payload.

    Raises:
        MalformedMessage: it is none, or was cut short.
    """
    framed = decode_multipart(content_type, body)
    root = expect_root(parse_xml(decode_utf16(framed.header)), "Msg")
    hooks = {attribute(hook, "Name").lower() for hook in root.iterfind("Hooks/*")}
    plain = inflate(framed.payload, MAX_REPLY) if "zlib-compress" in hooks else framed.payload
    return decode_utf16(plain)


def verify_message(message: Message, certificate: bytes) -> None:
    """Check that the holder of ``certificate`` sent this message in this name.

    What the payload says is bound to the key by its signature; that of the identity is not sent by
    every client, and checked where it is. A boot medium sends a token and signs no payload.

    Raises:
        BadSignature: unsigned, or signed by another key, or for another identity.
        MalformedMessage: the sender's identity is no GUID.
    """
    if message.auth is None:
        raise BadSignature("the message is not signed")
    auth = message.auth
    if auth.token and not auth.payload_signature:
        _verify_token(message, auth.token, certificate)
        return
    try:
        verify(certificate, message.raw_payload, auth.payload_signature, auth.hash_algorithm)
    except BadSignature as exc:
        raise BadSignature("the payload's signature does not match the registered certificate") from exc
    smsid = normalize_smsid(message.source_id)
    if not auth.client_id_signature:
        return
    spellings = (message.source_id, smsid, f"GUID:{{{smsid[5:]}}}")
    texts = tuple((text + end).encode("utf-16-le") for text in spellings for end in ("\0", ""))
    try:
        verify_identity(certificate, texts, auth.client_id_signature, auth.hash_algorithm)
    except BadSignature as exc:
        raise BadSignature("the signature of the client's identity does not match") from exc


def _verify_token(message: Message, text: str, certificate: bytes) -> None:
    token = ClientToken.from_property(text)
    if message.source_id and normalize_smsid(message.source_id) != token.client_id:
        raise BadSignature(f"the token is {token.client_id}'s, the message {message.source_id}'s")
    token.verify(certificate)


def claimed_sender(message: Message) -> str:
    """The identity a message claims, whoever sent it.

    Raises:
        MalformedMessage: it names no sender.
    """
    if message.source_id:
        return normalize_smsid(message.source_id)
    if message.auth is not None and message.auth.token:
        return ClientToken.from_property(message.auth.token).client_id
    raise MalformedMessage("the message has no SourceID")
