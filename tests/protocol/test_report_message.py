from __future__ import annotations

import contextlib

import pytest

from emulator.errors import MalformedMessage
from emulator.protocol.message import Message
from emulator.protocol.message_header import Attachment
from emulator.protocol.report_message import other_attachments, reports_in

HEADER = "<ReportHeader><Identification/></ReportHeader>"
BODY = '<ReportBody><Instance Class="A"/></ReportBody>'
WHOLE = f"<Report>{HEADER}{BODY}</Report>"
OTHER = f'<Report>{HEADER}<ReportBody><Instance Class="B"/></ReportBody></Report>'
EMPTY = f"<Report>{HEADER}<ReportBody /></Report>"
STATUS = "<Status><Type>x</Type></Status>"


def message(body: str, *attachments: str | bytes) -> Message:
    named = tuple(
        Attachment(f"{{{n}}}", a if isinstance(a, bytes) else a.encode("utf-16-le") + b"\0\0\r\n")
        for n, a in enumerate(attachments)
    )
    return Message("{1}", "", "pc1", "MP_HinvEndpoint", body, "", attachments=named)


@pytest.mark.proves("reports.header_in_body", "reports.two_reports", "reports.whole_in_body")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (message(WHOLE), (WHOLE,)),
        (message(STATUS), (STATUS,)),
        # the same again as an attachment, beside one that says nothing
        (message(WHOLE, EMPTY, WHOLE), (WHOLE,)),
        # two reports
        (message(WHOLE, OTHER, WHOLE), (WHOLE, OTHER)),
        # 2007: the header in the body, the report attached: whole, without header, or its body
        (message(EMPTY, WHOLE), (WHOLE,)),
        (message(HEADER, WHOLE), (WHOLE,)),
        (message(f"<Report>{HEADER}</Report>", WHOLE, OTHER), (WHOLE, OTHER)),
        (message(HEADER, f"<Report>{BODY}</Report>"), (WHOLE,)),
        (message(EMPTY, BODY), (WHOLE,)),
        (message(HEADER, WHOLE.encode()), (WHOLE,)),
        # a delta in which nothing changed
        (message(EMPTY), (EMPTY,)),
        (message(EMPTY, EMPTY), (EMPTY,)),
        (message(HEADER), (f"<Report>{HEADER}<ReportBody/></Report>",)),
        # files are no reports
        (message(WHOLE, b"\x7fELF\x00", b"plain text, cut", b"<html/>"), (WHOLE,)),
    ],
)
def test_reports(sent: Message, expected: tuple[str, ...]) -> None:
    assert reports_in(sent) == expected


@pytest.mark.proves("reports.header_in_body")
def test_files_beside_a_report() -> None:
    sent = message(WHOLE, OTHER, b"\x7fELF\x00", "text in UTF-16")
    assert [a.name for a in other_attachments(sent)] == ["{1}", "{2}"]


@pytest.mark.parametrize("sent", [message(""), message("no XML"), message(EMPTY, "<Report><ReportBody>")])
def test_malformed(sent: Message) -> None:
    with pytest.raises(MalformedMessage):
        reports_in(sent)


def test_damaged(damaged) -> None:
    for data in damaged(WHOLE.encode("utf-16-le")):
        for sent in (message(EMPTY, data), message(data.decode("utf-16-le", "replace"), WHOLE)):
            with contextlib.suppress(MalformedMessage):
                reports_in(sent)
                other_attachments(sent)
