"""Reads what CMTrace reads: every field of a line must be where it looks for it."""

from __future__ import annotations

import re
from pathlib import Path

LINE = re.compile(
    r'<!\[LOG\[(?P<text>.*?)\]LOG\]!><time="(?P<time>\d\d:\d\d:\d\d\.\d{3}\+000)" '
    r'date="(?P<date>\d\d-\d\d-\d{4})" '
    r'component="(?P<component>\w+)" context="" type="(?P<type>[123])" thread="\d+" file="">\n',
    re.DOTALL,
)


def read_log(path: Path) -> list[dict[str, str]]:
    """A log's lines, by field; nothing may stand between them."""
    text, lines, place = path.read_text(encoding="utf-8"), [], 0
    while place < len(text):
        found = LINE.match(text, place)
        assert found, f"{path}: no line of CMTrace: {text[place : place + 200]!r}"
        lines.append(found.groupdict())
        place = found.end()
    return lines
