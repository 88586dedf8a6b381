"""PROPFIND: which files a package has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lxml import etree
from yarl import URL

D = "{DAV:}"
PACKAGE = "/SMS_DP_SMSPKG$/S0100001.1"


async def propfind(
    lab: Any, url: str, depth: str | None = None, body: str = ""
) -> tuple[int, dict[str, dict[str, str]]]:
    headers = {} if depth is None else {"Depth": depth}
    async with lab.http.request("PROPFIND", url, headers=headers, data=body.encode()) as response:
        if response.status != 207:
            return response.status, {}
        root = etree.fromstring(await response.read())
    found = {}
    for element in root.iterfind(f"{D}response"):
        properties = {
            str(p.tag).removeprefix(D): p.text or "" for p in element.iterfind(f"{D}propstat/{D}prop/*")
        }
        found[element.findtext(f"{D}href") or ""] = properties
    return 207, found


@pytest.mark.proves("webdav.depth_0", "webdav.depth_1", "webdav.hrefs")
@pytest.mark.parametrize(
    ("url", "depth", "hrefs"),
    [
        (PACKAGE, "0", {f"{PACKAGE}/"}),
        (PACKAGE, "1", {f"{PACKAGE}/", f"{PACKAGE}/Data/", f"{PACKAGE}/setup.exe"}),
        (f"{PACKAGE}/", "1", {f"{PACKAGE}/", f"{PACKAGE}/Data/", f"{PACKAGE}/setup.exe"}),
        (
            f"{PACKAGE}/data",
            "1",
            {f"{PACKAGE}/data/", f"{PACKAGE}/data/read%20me.txt", f"{PACKAGE}/data/sub/"},
        ),
        (f"{PACKAGE}/setup.exe", "1", {f"{PACKAGE}/setup.exe"}),
        ("/SMS_DP_SMSPKG$", "0", {"/SMS_DP_SMSPKG$/"}),
        ("/SMS_DP_SMSPKG$", "1", {"/SMS_DP_SMSPKG$/", f"{PACKAGE}/"}),
    ],
)
async def test_depth(filled: Any, url: str, depth: str, hrefs: set[str]) -> None:
    assert (await propfind(filled, url, depth))[1].keys() == hrefs


@pytest.mark.proves("webdav.infinity", "webdav.iscollection")
@pytest.mark.parametrize("depth", ["infinity", None])
async def test_everything_of_a_package(filled: Any, depth: str | None) -> None:
    _, found = await propfind(filled, PACKAGE, depth)
    files = {href: int(p["getcontentlength"]) for href, p in found.items() if p["iscollection"] == "0"}
    assert files == {
        f"{PACKAGE}/setup.exe": 10242,
        f"{PACKAGE}/Data/read%20me.txt": 6,
        f"{PACKAGE}/Data/sub/empty": 0,
    }
    folders = {href for href, p in found.items() if p["iscollection"] == "1"}
    assert folders == {f"{PACKAGE}/", f"{PACKAGE}/Data/", f"{PACKAGE}/Data/sub/"}


async def test_the_properties_are_those_of_get(filled: Any) -> None:
    _, found = await propfind(filled, f"{PACKAGE}/setup.exe", "0")
    properties = found[f"{PACKAGE}/setup.exe"]
    async with filled.http.head(f"{PACKAGE}/setup.exe") as response:
        assert properties["getetag"] == response.headers["ETag"]
        assert properties["getlastmodified"] == response.headers["Last-Modified"]
        assert properties["getcontentlength"] == response.headers["Content-Length"]


@pytest.mark.proves("webdav.prop")
async def test_asked_by_name(filled: Any) -> None:
    body = '<D:propfind xmlns:D="DAV:"><D:prop><D:getcontentlength/><D:quota/></D:prop></D:propfind>'
    async with filled.http.request("PROPFIND", f"{PACKAGE}/setup.exe", data=body.encode()) as response:
        root = etree.fromstring(await response.read())
    statuses = {
        str(next(iter(p.iterfind(f"{D}prop/*"))).tag): p.findtext(f"{D}status")
        for p in root.iter(f"{D}propstat")
    }
    assert statuses == {f"{D}getcontentlength": "HTTP/1.1 200 OK", f"{D}quota": "HTTP/1.1 404 Not Found"}


@pytest.mark.parametrize(
    ("url", "depth", "body", "status"),
    [
        (PACKAGE, "2", "", 400),
        (PACKAGE, "1", "<not closed", 400),
        (PACKAGE, "1", "<other/>", 400),
        (PACKAGE, "1", '<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', 400),
        (f"{PACKAGE}/nothing", "1", "", 404),
        ("/SMS_DP_SMSPKG$/S0100009.1", "1", "", 404),
    ],
)
async def test_refusals(filled: Any, url: str, depth: str, body: str, status: int) -> None:
    assert (await propfind(filled, url, depth, body))[0] == status


@pytest.mark.proves("webdav.options")
async def test_options(filled: Any) -> None:
    async with filled.http.options(PACKAGE) as response:
        assert (response.status, response.headers["DAV"]) == (200, "1")
        assert "PROPFIND" in response.headers["Allow"]


@pytest.mark.proves("webdav.propname")
async def test_names_without_values(filled: Any) -> None:
    body = '<propfind xmlns="DAV:"><propname/></propfind>'
    _, found = await propfind(filled, f"{PACKAGE}/setup.exe", "0", body)
    properties = found[f"{PACKAGE}/setup.exe"]
    assert {"getcontentlength", "iscollection", "getlastmodified"} <= properties.keys()
    assert not any(properties.values())


@pytest.mark.proves("webdav.allprop")
async def test_everything_asked_in_words(filled: Any) -> None:
    body = '<propfind xmlns="DAV:"><allprop/></propfind>'
    assert await propfind(filled, PACKAGE, "1", body) == await propfind(filled, PACKAGE, "1")


@pytest.mark.proves("webdav.prop")
async def test_unknown_names_of_any_namespace_are_not_found(filled: Any) -> None:
    names = '<x:executable xmlns:x="http://a/?b&amp;c"/><none xmlns=""/>'
    body = f'<propfind xmlns="DAV:"><prop>{names}</prop></propfind>'
    async with filled.http.request("PROPFIND", f"{PACKAGE}/setup.exe", data=body.encode()) as response:
        root = etree.fromstring(await response.read())
    assert [element.text for element in root.iter(f"{D}status")] == ["HTTP/1.1 404 Not Found"]
    tags = [element.tag for element in root.iterfind(f".//{D}prop/*")]
    assert tags == ["{http://a/?b&c}executable", "none"]


@pytest.mark.proves("webdav.prop")
async def test_a_folder_has_no_length(filled: Any) -> None:
    body = '<propfind xmlns="DAV:"><prop><getcontentlength/><resourcetype/></prop></propfind>'
    async with filled.http.request(
        "PROPFIND", PACKAGE, headers={"Depth": "0"}, data=body.encode()
    ) as response:
        root = etree.fromstring(await response.read())
    statuses = [element.text for element in root.iter(f"{D}status")]
    assert statuses == ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]
    assert root.find(f".//{D}resourcetype/{D}collection") is not None


@pytest.mark.proves("webdav.hrefs")
async def test_hrefs_begin_as_the_client_spelled_them(filled: Any) -> None:
    _, found = await propfind(filled, "/sms_dp_smspkg$/s0100001.1", "1")
    assert found.keys() == {f"/sms_dp_smspkg$/s0100001.1/{name}" for name in ("", "Data/", "setup.exe")}


async def test_names_that_need_escaping(lab: Any) -> None:
    await lab.fill({"a<b>&'\"c.txt": b"x", "ü%20.txt": b"y"})
    _, found = await propfind(lab, PACKAGE, "1")
    assert {properties["displayname"] for properties in found.values()} >= {"a<b>&'\"c.txt", "ü%20.txt"}
    for href, properties in found.items():
        if properties["iscollection"] == "0":
            async with lab.http.get(URL(href, encoded=True)) as response:
                assert response.status == 200


@pytest.mark.proves("webdav.noroot")
async def test_what_lies_below_without_the_folder_itself(filled: Any) -> None:
    assert (await propfind(filled, PACKAGE, "1,noroot"))[1].keys() == {
        f"{PACKAGE}/Data/",
        f"{PACKAGE}/setup.exe",
    }


@pytest.mark.proves("webdav.library")
async def test_the_content_library_too(filled: Any) -> None:
    _, found = await propfind(filled, "/SMS_DP_SMSPKG$/Datalib", "infinity")
    assert "/SMS_DP_SMSPKG$/Datalib/S0100001.1/Data/read%20me.txt.INI" in found
    _, found = await propfind(filled, "/SMS_DP_SMSPKG$/FileLib", "infinity")
    sizes = {
        p["getcontentlength"] for href, p in found.items() if p["iscollection"] == "0" and ".INI" not in href
    }
    assert sizes == {"10242", "6", "0"}
    _, found = await propfind(filled, "/SMS_DP_SMSSIG$", "1")
    assert found.keys() == {"/SMS_DP_SMSSIG$/", "/SMS_DP_SMSSIG$/S0100001.1.tar"}


@pytest.mark.proves("webdav.read_only")
@pytest.mark.parametrize(
    "method",
    ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK", "PROPPATCH", "POST", "PATCH"],
)
@pytest.mark.parametrize("url", [PACKAGE, f"{PACKAGE}/new", "/SMS_DP_SMSPKG$", "/SMS_DP_SMSSIG$/x"])
async def test_nothing_can_be_changed(filled: Any, method: str, url: str) -> None:
    async with filled.http.request(method, url, data=b"something") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD,OPTIONS,PROPFIND"


@pytest.mark.proves("webdav.read_only")
async def test_a_large_body_is_not_read_and_the_reply_says_so(filled: Any) -> None:
    head = f"PUT {PACKAGE}/new HTTP/1.1\r\nHost: dp\r\nContent-Length: 1000000000\r\n\r\n"
    reader, writer = await asyncio.open_connection(filled.settings.role.host, filled.settings.role.port)
    writer.write(head.encode())
    reply = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nConnection: close\r\n" in reply


@pytest.mark.proves("webdav.options")
async def test_the_server_itself_may_be_asked(filled: Any) -> None:
    async with filled.http.options("/") as response:
        assert (response.status, response.headers["DAV"]) == (200, "1")
