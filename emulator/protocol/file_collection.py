"""Collected files: a report names them, the files themselves are attachments of its message.

Between management point and loader a file travels inside its instance, in base64, so that a report
stays one file in every box (the product's own way is not documented).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from emulator.errors import MalformedMessage
from emulator.protocol.message_header import Attachment
from emulator.protocol.report import Report
from emulator.protocol.xml import INT64_MAX, child, number, parse_xml, serialize, text_of

REPORT_CONTENT = "FILECOLL"
FILE_CLASS = "CollectedFile"
_CONTENT = "FileContent"


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """One file of a computer; ``content`` is None when only its name came."""

    name: str
    path: str
    size: int
    modified: str
    content: bytes | None = None


def with_contents(report: str, files: tuple[Attachment, ...]) -> str:
    """The report with each attached file in its instance: by the file's name, or in the order of both.

    Raises:
        MalformedMessage: it is no XML.
    """
    if not files:
        return report
    root = parse_xml(report)
    instances = list(root.iterfind(f"ReportBody/Instance/{FILE_CLASS}"))
    by_name = {file.name.lower(): file for file in files}
    ordered = dict(zip(instances, files, strict=False)) if len(instances) == len(files) else {}
    for instance in instances:
        file = by_name.get(text_of(instance, "Name").lower()) or ordered.get(instance)
        if file is not None:
            child(instance, _CONTENT, base64.b64encode(file.data).decode())
    return serialize(root)


def collected_files(report: Report) -> tuple[CollectedFile, ...]:
    """What a report collects; its sum of files (CollectedFileSum) is not kept.

    Raises:
        MalformedMessage: a file has no name, an impossible size, or content that is no base64.
    """
    return tuple(
        _file(dict(instance.properties)) for instance in report.instances if instance.class_name == FILE_CLASS
    )


def _file(told: dict[str, str]) -> CollectedFile:
    if not told.get("Name", "").strip():
        raise MalformedMessage(f"<{FILE_CLASS}> has no Name")
    content = told.get(_CONTENT)
    try:
        data = None if content is None else base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MalformedMessage(f"<{_CONTENT}> is no base64 ({exc})") from exc
    return CollectedFile(
        name=told["Name"].strip(),
        path=told.get("Path", "").strip(),
        size=number(told.get("Size", "").strip() or "0", "a file's Size", low=0, high=INT64_MAX),
        modified=told.get("LastWriteDate", "").strip(),
        content=data,
    )
