"""The one XML parser: hardened, because bytes come from strangers.

No entities, no document types, no network, bounded size and depth.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from lxml import etree

from emulator.errors import MalformedMessage, MessageTooLarge

MAX_XML_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 64
BOM = b"\xff\xfe"
INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1

# A document type stands before the root; inside CDATA the same letters are only text.
# Atomic groups, or a row of unfinished comments would be tried in every combination.
_DOCUMENT_TYPE = re.compile(r"(?>\s+|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE", re.DOTALL)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_PLAIN = re.compile("[^\x20-%'-;=?-~]")  # anything but ASCII that needs no second look


def parse_xml(data: bytes | str) -> etree._Element:
    """The root element.

    Raises:
        MalformedMessage: not well formed, carries a document type, or is nested too deeply.
    """
    if isinstance(data, str):
        return _parse(data, b"")
    if data[:2] == BOM:
        return _parse(decode_utf16(data), data)
    try:
        return _parse(data.decode("utf-8"), data)
    except UnicodeDecodeError as exc:
        raise MalformedMessage("neither UTF-16 with byte order mark nor UTF-8", raw=data[:200]) from exc


def _parse(text: str, raw: bytes) -> etree._Element:
    if len(text) > MAX_XML_BYTES:
        raise MessageTooLarge(f"XML of more than {MAX_XML_BYTES} characters", raw=raw[:200])
    text = _without_declaration(text.lstrip("\ufeff").strip())
    if _DOCUMENT_TYPE.match(text):
        raise MalformedMessage("a document type is not accepted", raw=raw[:200])
    try:
        # Bytes, because lxml refuses strings with surrogates with another exception.
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
            load_dtd=False,
            remove_comments=True,  # one in the middle of a value would cut it
            remove_pis=True,
        )
        root = etree.fromstring(text.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise MalformedMessage(f"not well-formed XML ({exc})", raw=raw[:200] or readable(text)) from exc
    if text.count("<") > MAX_DEPTH:  # with fewer tags nothing can be nested so deeply
        _check_depth(root)
    return root


def _check_depth(root: etree._Element) -> None:
    depth = 0
    for action, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if action == "start" else -1
        if depth > MAX_DEPTH:
            raise MalformedMessage(f"XML nested more than {MAX_DEPTH} deep")


def _without_declaration(text: str) -> str:
    if text.startswith("<?xml"):
        end = text.find("?>")
        if end < 0:
            raise MalformedMessage("an XML declaration without end", raw=readable(text))
        return text[end + 2 :].lstrip()
    return text


def to_utf16(text: str) -> bytes:
    """UTF-16LE with byte order mark, as headers and policy bodies go over the wire."""
    return BOM + encode_utf16(text)


def encode_utf16(text: str) -> bytes:
    """UTF-16LE without byte order mark.

    Raises:
        MalformedMessage: a surrogate without its other half, or a NUL, where every reader would stop.
    """
    if "\0" in text:
        raise MalformedMessage("a text with a NUL in it cannot be sent", raw=readable(text))
    try:
        return text.encode("utf-16-le")
    except UnicodeEncodeError as exc:
        raise MalformedMessage(f"the text cannot be sent ({exc.reason})", raw=readable(text)) from exc


def readable(text: str) -> bytes:
    """The beginning of any text as bytes, for an error's ``raw``; never fails."""
    return text[:200].encode("utf-8", "backslashreplace")


def decode_utf16(data: bytes) -> str:
    """UTF-16LE up to the first NUL character, with or without byte order mark.

    Raises:
        MalformedMessage: the bytes are no UTF-16.
    """
    if data[:2] == BOM:
        data = data[2:]
    try:
        # An odd last byte is the tail of somebody's padding, not text.
        return data[: len(data) // 2 * 2].decode("utf-16-le").partition("\0")[0]
    except UnicodeDecodeError as exc:
        raise MalformedMessage(f"not UTF-16 ({exc.reason})", raw=data[:200]) from exc


def text_of(element: etree._Element, path: str, default: str = "") -> str:
    """The text of the first element at ``path``, without surrounding white space."""
    return (element.findtext(path) or default).strip()


def attribute(element: etree._Element, name: str, default: str = "") -> str:
    """An attribute by its name in any letter case (clients spell ``ACK`` and ``Ack``)."""
    exact = element.get(name)
    if exact is not None:
        return str(exact)
    for key, value in element.items():
        if str(key).lower() == name.lower():
            return str(value)
    return default


def required(element: etree._Element, name: str) -> str:
    """An attribute that must be there.

    Raises:
        MalformedMessage: it is missing.
    """
    value = attribute(element, name)
    if not value:
        raise MalformedMessage(f"<{element.tag}>: the attribute {name} is missing")
    return value


def number(text: str, name: str, *, low: int = -INT32_MAX - 1, high: int = INT32_MAX) -> int:
    """A whole number that the site database can hold.

    Raises:
        MalformedMessage: it is none, or does not fit.
    """
    try:
        value = int(text)
    except ValueError as exc:
        raise MalformedMessage(f"{name} must be a number, not {text[:40]!r}", raw=readable(text)) from exc
    if not low <= value <= high:
        raise MalformedMessage(f"{name} must lie between {low} and {high}", raw=readable(text))
    return value


def expect_root(root: etree._Element, *names: str) -> etree._Element:
    """The root, if it has one of these names.

    Raises:
        MalformedMessage: it has another name.
    """
    if root.tag not in names:
        raise MalformedMessage(f"<{root.tag}> arrived where <{names[0]}> was expected")
    return root


def child(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append an element. Text that XML cannot hold raises MalformedMessage."""
    try:
        element = etree.SubElement(parent, tag, attributes)
        if text is not None:
            element.text = text
    except ValueError as exc:
        raise MalformedMessage(f"<{tag}>: {exc}") from exc
    return element


def cdata(element: etree._Element, text: str) -> None:
    """Make a CDATA section the element's text. Text that XML cannot hold raises MalformedMessage."""
    try:
        element.text = etree.CDATA(text)
    except ValueError as exc:
        raise MalformedMessage(f"<{element.tag}>: {exc}") from exc


def new(tag: str, **attributes: str) -> etree._Element:
    """A new root element."""
    try:
        return etree.Element(tag, attributes)
    except ValueError as exc:
        raise MalformedMessage(f"<{tag}>: {exc}") from exc


def escaped(text: str) -> str:
    """Text as it stands in an element, for documents whose form never changes and are filled in.

    Raises:
        MalformedMessage: a character that XML cannot hold.
    """
    if not _NOT_PLAIN.search(text):
        return text
    if _NOT_XML.search(text):
        raise MalformedMessage("a character that XML cannot hold", raw=readable(text))
    return escape(text)


def serialize(element: etree._Element) -> str:
    """The element as text, without XML declaration: some clients refuse one."""
    return etree.tostring(element, encoding="unicode")
