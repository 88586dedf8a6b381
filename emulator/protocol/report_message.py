"""Which reports a message carries: in its body, in attachments, or torn between the two.

The 2007 library sends a report's header as the body and the report itself as an attachment. Public
clients send whole reports: one as the body, the same again as an attachment, and another beside it.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.message import Message
from emulator.protocol.message_header import Attachment
from emulator.protocol.xml import new, parse_xml, serialize


def reports_in(message: Message) -> tuple[str, ...]:
    """Every report of a message, each once, as text; attachments that are none are left out.

    A whole report is handed on as it arrived. A report without content (a heartbeat that only says
    who is there) counts when there is no other.

    Raises:
        MalformedMessage: the body is no XML, or an attachment that begins as XML is none.
    """
    body = parse_xml(message.body_text)
    found = dict.fromkeys([message.body_text] if _is_whole(body) else [])
    if body.tag in ("Report", "ReportHeader"):
        for attachment in message.attachments:
            text = _report_of(attachment, body)
            if text is not None:
                found[text] = None
    return tuple(found) or (_completed(body) or message.body_text,)


def other_attachments(message: Message) -> tuple[Attachment, ...]:
    """The attachments that are no reports: files."""
    return tuple(attachment for attachment in message.attachments if _parsed(attachment) is None)


def _report_of(attachment: Attachment, header: etree._Element) -> str | None:
    """The report in an attachment, with the body's header where it has none of its own."""
    root = _parsed(attachment)
    if root is None:
        return None
    if root.tag == "ReportBody" and len(root):
        return _joined(header, root)
    if not _is_whole(root):
        return None
    if root.find("ReportHeader") is None:
        report_body = root.find("ReportBody")
        assert report_body is not None  # it is whole
        return _joined(header, report_body)
    return attachment.text


def _parsed(attachment: Attachment) -> etree._Element | None:
    try:
        text = attachment.text
    except MalformedMessage:
        return None  # a file's bytes
    if not text.lstrip("\ufeff \t\r\n").startswith("<"):
        return None
    root = parse_xml(text)
    return root if root.tag in ("Report", "ReportBody") else None


def _is_whole(root: etree._Element) -> bool:
    return root.tag == "Report" and root.find("ReportBody/*") is not None


def _completed(body: etree._Element) -> str | None:
    """A header that came alone, as a report without content."""
    return _joined(body, new("ReportBody")) if body.tag == "ReportHeader" else None


def _joined(header: etree._Element, report_body: etree._Element) -> str:
    found = header if header.tag == "ReportHeader" else header.find("ReportHeader")
    root = new("Report")
    if found is not None:
        root.append(deepcopy(found))
    root.append(deepcopy(report_body))
    return serialize(root)
