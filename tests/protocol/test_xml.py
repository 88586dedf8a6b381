from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from emulator.errors import MalformedMessage, MessageTooLarge
from emulator.protocol import xml
from emulator.protocol.xml import (
    attribute,
    cdata,
    child,
    decode_utf16,
    encode_utf16,
    expect_root,
    new,
    number,
    parse_xml,
    required,
    serialize,
    text_of,
    to_utf16,
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40)
BILLION_LAUGHS = (
    '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]><a>&d;&d;&d;</a>'
)


@pytest.mark.parametrize(
    "data",
    [
        "<a>x</a>",
        b"<a>x</a>",
        '<?xml version="1.0" ?><a>x</a>',
        '<?xml version="1.0" encoding="UTF-16"?>\r\n<a>x</a>',
        '\ufeff<?xml version="1.0" encoding="ISO-8859-1"?><a>x</a>',
        b'\xef\xbb\xbf<?xml version="1.0"?><a>x</a>',
        to_utf16("<a>x</a>"),
        to_utf16('<?xml version="1.0" encoding="UTF-16"?><a>x</a>') + b"\0\0",
        to_utf16("<a>x</a>") + b"\0",
        " \r\n\t<a>x</a>\r\n",
        "<a><![CDATA[x]]></a>",
        "<!-- by hand --><a><!-- in the way -->x<?nor this?></a>",
    ],
)
def test_every_form_of_the_same_document(data: bytes | str) -> None:
    assert parse_xml(data).text == "x"


@pytest.mark.parametrize(
    "data",
    [
        "",
        b"",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a b=1/>",
        "<?xml",
        '<?xml version="1.0"?>',
        "<a>\0</a>",
        "<a>\x01</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>\ud800</a>",
        "\udcff",
        b"<a>\xff</a>",
        b"\xff\xfe\x00\xd8<\x00",
        b"\xfe\xff\x00<\x00a",
        "<a>&b;</a>",
        "<a b='&c;'/>",
        "<!DOCTYPE a><a/>",
        "<!-- x --> <?y z?>\n<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:1/">%b;]><a/>',
        BILLION_LAUGHS,
        "<!--" * 5000 + "<!DOCTYPE a><a/>",
        "<!---->" * 5000 + "<!DOCTYPE a><a/>",
        "<a>" * (xml.MAX_DEPTH + 1) + "</a>" * (xml.MAX_DEPTH + 1),
        "<a>" * 100_000,
        "<a xmlns:b='c'><d:e/></a>",
    ],
    ids=lambda data: ascii(data[:30]),
)
def test_what_is_refused(data: bytes | str) -> None:
    with pytest.raises(MalformedMessage):
        parse_xml(data)


def test_a_document_type_inside_a_value_is_only_text() -> None:
    assert parse_xml("<a><![CDATA[<!DOCTYPE html>]]></a>").text == "<!DOCTYPE html>"


def test_as_deep_as_allowed() -> None:
    parse_xml("<a>" * xml.MAX_DEPTH + "</a>" * xml.MAX_DEPTH)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_XML_BYTES", 20)
    with pytest.raises(MessageTooLarge):
        parse_xml("<a>" + " " * 20 + "</a>")


def test_broken_documents_raise_one_error(damaged) -> None:
    good = b'<?xml version="1.0"?><a b="c"><d><![CDATA[e]]></d><f g="&amp;"/>h</a>'
    for data in damaged(good, 400):
        with contextlib.suppress(MalformedMessage):
            parse_xml(data)


@given(TEXT)
@settings(max_examples=40, deadline=None, database=None)
def test_text_comes_back(text: str) -> None:
    root = new("a", b=text)
    child(root, "c", text)
    cdata(child(root, "d"), text)
    again = parse_xml(serialize(root))
    assert (again.get("b"), again.findtext("c"), again.findtext("d")) == (text, text, text)
    assert decode_utf16(to_utf16(text)) == text.removeprefix("\ufeff") or text.startswith("\ufeff")
    assert decode_utf16(encode_utf16(text + "x")).endswith("x")


def test_cdata_may_hold_its_own_end() -> None:
    root = new("a")
    cdata(root, "x]]>y")
    assert parse_xml(serialize(root)).text == "x]]>y"


@pytest.mark.parametrize("text", ["\0", "\x08", "\ud800", "\uffff"])
def test_text_that_xml_cannot_hold(text: str) -> None:
    root = new("a")
    for write in (
        lambda: child(root, "b", text),
        lambda: child(root, "b", c=text),
        lambda: child(root, text),
        lambda: new("a", b=text),
        lambda: cdata(root, text),
    ):
        with pytest.raises(MalformedMessage):
            write()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\udcff"])
def test_text_that_utf16_cannot_hold(text: str) -> None:
    with pytest.raises(MalformedMessage):
        to_utf16(text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"a", ""),
        (b"a\0b\0", "ab"),
        (b"\xff\xfea\0b\0", "ab"),
        (b"a\0\0\0b\0", "a"),
        (b"a\0\r\0\n\0\0\0\0", "a\r\n"),
        ("\U0001f5a5".encode("utf-16-le"), "\U0001f5a5"),
    ],
)
def test_decode_utf16(data: bytes, text: str) -> None:
    assert decode_utf16(data) == text


@pytest.mark.parametrize("data", [b"\x00\xd8", b"\x00\xdca\x00", b"a\0\x00\xd8b\0"])
def test_half_a_surrogate_pair(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_utf16(data)


def test_attributes_in_any_letter_case() -> None:
    element = parse_xml('<a ACK="1" Empty=""/>')
    assert attribute(element, "Ack") == "1"
    assert attribute(element, "Nack", "0") == "0"
    assert required(element, "ack") == "1"
    for missing in ("Nack", "Empty"):
        with pytest.raises(MalformedMessage):
            required(element, missing)


def test_text_of() -> None:
    root = parse_xml("<a><b> c\r\n</b><b>d</b><e/></a>")
    assert text_of(root, "b") == "c"
    assert text_of(root, "e", "f") == "f"
    assert text_of(root, "g") == ""


def test_expect_root() -> None:
    root = parse_xml("<a/>")
    assert expect_root(root, "b", "a") is root
    for other in (root, parse_xml('<b xmlns="c"/>')):
        with pytest.raises(MalformedMessage):
            expect_root(other, "b")


def test_no_declaration_is_written() -> None:
    assert serialize(etree.Element("a")) == "<a/>"


@pytest.mark.parametrize("text", ["", "x", "1.0", "2147483648", "-2147483649", "9" * 5000, "\ud800", "0x1"])
def test_numbers_that_are_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        number(text, "n")


def test_numbers() -> None:
    assert number("2147483647", "n") == xml.INT32_MAX
    assert number("-1", "n") == -1
    with pytest.raises(MalformedMessage):
        number("-1", "n", low=0)
