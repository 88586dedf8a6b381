"""Reading a ``<Msg>`` header: elements by name, and the slices of the payload they speak of."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.xml import attribute, decode_utf16

MAX_ATTACHMENTS = 16


@dataclass(frozen=True, slots=True)
class Attachment:
    """A named slice of the payload: a report beside its header, a collected file."""

    name: str
    data: bytes

    @property
    def text(self) -> str:
        """What it says, if it is a text: UTF-16 as everything here, or UTF-8 as files tend to be.

        Raises:
            MalformedMessage: it is neither.
        """
        if self.data[:3] == b"\xef\xbb\xbf" or (self.data[:1] == b"<" and self.data[1:2] not in (b"\0", b"")):
            try:
                return self.data.decode("utf-8-sig").partition("\0")[0]
            except UnicodeDecodeError as exc:
                raise MalformedMessage(f"the attachment {self.name} is no text", raw=self.data[:200]) from exc
        return decode_utf16(self.data)


class Header:
    """The elements of a ``<Msg>`` by name: their order and letter case vary from client to client."""

    def __init__(self, root: etree._Element) -> None:
        self._elements: dict[str, list[etree._Element]] = {}
        for element in root:
            self._elements.setdefault(str(element.tag).lower(), []).append(element)

    def all(self, name: str) -> list[etree._Element]:
        return self._elements.get(name.lower(), [])

    def text(self, name: str) -> str:
        found = self._elements.get(name.lower())
        return (found[0].text or "").strip() if found else ""

    def file_type(self) -> str:
        """The message property that tells a relayed report's kind (its place in the header is our choice)."""
        found = [*self.all("Property"), *(item for part in self.all("Properties") for item in part)]
        named = (p for p in found if attribute(p, "Name").lower() == "filetype")
        return next(((p.text or attribute(p, "Value")).strip() for p in named), "")


def slice_of(plain: bytes, part: etree._Element | None) -> bytes:
    """``Length`` bytes from ``Offset``, or what there is: clients miscount in documented ways."""
    if part is None:
        return plain
    try:
        offset = int(attribute(part, "Offset") or 0)
        length = int(attribute(part, "Length") or len(plain))
    except ValueError as exc:
        raise MalformedMessage(f"<{part.tag}>: Offset and Length must be numbers") from exc
    if offset < 0 or length < 0 or offset > len(plain):
        raise MalformedMessage(f"<{part.tag}>: Offset {offset} lies outside of {len(plain)} bytes")
    return plain[offset : offset + length]


def attachments_of(plain: bytes, parts: list[etree._Element]) -> tuple[Attachment, ...]:
    """Parts of the payload by name of their bytes; a short header may not ask for endless copies."""
    if len(parts) > MAX_ATTACHMENTS:
        raise MalformedMessage(f"{len(parts)} attachments; at most {MAX_ATTACHMENTS} are accepted")
    return tuple(Attachment(attribute(part, "Name"), slice_of(plain, part)) for part in parts)
