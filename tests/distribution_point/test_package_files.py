"""GET and HEAD of content, whole and in ranges."""

from __future__ import annotations

import asyncio
import email
import hashlib
import re
from typing import Any

import pytest

SETUP = b"MZ" + bytes(range(256)) * 40
URL = "/SMS_DP_SMSPKG$/S0100001.1/setup.exe"
ETAG = f'"{hashlib.sha256(SETUP).hexdigest()}"'


@pytest.mark.proves("content.get")
async def test_whole(filled: Any) -> None:
    async with filled.http.get(URL) as response:
        assert await response.read() == SETUP
        assert response.status == 200
        assert response.headers["ETag"] == ETAG
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["Last-Modified"] == "Mon, 01 Jun 2009 08:00:00 GMT"


@pytest.mark.proves("content.head")
async def test_head(filled: Any) -> None:
    async with filled.http.head(URL) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(SETUP)))
        assert (response.headers["ETag"], await response.read()) == (ETAG, b"")


@pytest.mark.proves("content.range", "content.if_range")
@pytest.mark.parametrize("condition", [{}, {"If-Range": ETAG}, {"If-Range": "Mon, 01 Jun 2009 08:00:00 GMT"}])
async def test_a_download_resumes(filled: Any, condition: dict[str, str]) -> None:
    async with filled.http.get(URL, headers={"Range": "bytes=1000-", **condition}) as response:
        assert (response.status, await response.read()) == (206, SETUP[1000:])
        assert response.headers["Content-Range"] == f"bytes 1000-{len(SETUP) - 1}/{len(SETUP)}"
        assert response.headers["ETag"] == ETAG


@pytest.mark.parametrize(
    "condition", ['"another file"', f"W/{ETAG}", "Mon, 01 Jun 2009 08:00:01 GMT", "rubbish"]
)
async def test_a_file_that_is_another_one_now_is_sent_whole(filled: Any, condition: str) -> None:
    headers = {"Range": "bytes=1000-", "If-Range": condition}
    async with filled.http.get(URL, headers=headers) as response:
        assert (response.status, await response.read()) == (200, SETUP)


@pytest.mark.proves("content.range_not_satisfiable")
async def test_a_range_behind_the_end_is_416(filled: Any) -> None:
    async with filled.http.get(URL, headers={"Range": f"bytes={len(SETUP)}-"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(SETUP)}")


@pytest.mark.proves("content.conditions")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": f"W/{ETAG}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Match": ETAG}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Modified-Since": "Mon, 01 Jun 2009 08:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Mon, 01 Jun 2009 07:59:59 GMT"}, 200),
        ({"If-Unmodified-Since": "Mon, 01 Jun 2009 07:59:59 GMT"}, 412),
    ],
)
async def test_conditions(filled: Any, headers: dict[str, str], status: int) -> None:
    async with filled.http.get(URL, headers=headers) as response:
        assert response.status == status
        assert len(await response.read()) == (len(SETUP) if status == 200 else 0)


@pytest.mark.proves("content.path_case", "content.drive", "content.sccm")
@pytest.mark.parametrize(
    "url",
    [
        "/sms_dp_smspkg$/s0100001.1/SETUP.EXE",
        "/SMS_DP_SMSPKGD$/S0100001.1/setup.exe",
        "/SMS_DP_SMSPKG$/S0100001.1/sccm?/setup.exe",
        "/SMS_DP_SMSPKG$/S0100001.1/SCCM?setup.exe",
        "/sms_dp_smspkg$/S0100001.1/sccm?/%73etup.exe",
        "/SMS_DP_SMSPKG$/S0100001/setup.exe",
    ],
)
async def test_other_names_of_the_same_file(filled: Any, url: str) -> None:
    async with filled.http.get(url) as response:
        assert await response.read() == SETUP


async def test_an_empty_file_and_a_name_with_a_blank(filled: Any) -> None:
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/Data/sub/empty") as response:
        assert (response.status, await response.read()) == (200, b"")
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/Data/read%20me.txt") as response:
        assert await response.read() == b"hello\n"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/SMS_DP_SMSPKG$/S0100001.1/nothing", 404),
        ("/SMS_DP_SMSPKG$/S0100002.1/setup.exe", 404),
        ("/SMS_DP_SMSPKG$/S0100001.1/Data/nothing", 404),
        ("/SMS_DP_SMSPKG$/S0100001.1/sccm?", 404),
        ("/SMS_DP_SMSPKG$/aBcDeFgH", 404),
        ("/elsewhere", 404),
    ],
)
async def test_what_is_no_file(filled: Any, url: str, status: int) -> None:
    async with filled.http.get(url) as response:
        assert response.status == status


@pytest.mark.proves("content.identity")
async def test_a_compressed_neighbour_is_never_sent_instead(lab: Any) -> None:
    files = {"a.txt": b"plain", "a.txt.gz": b"something else"}
    await lab.put(lab.tar_of(files), lab.hash_of(files))
    async with lab.http.get(
        "/SMS_DP_SMSPKG$/S0100001.1/a.txt", headers={"Accept-Encoding": "gzip"}
    ) as response:
        assert await response.read() == b"plain"


@pytest.mark.parametrize(
    "target",
    [
        "/SMS_DP_SMSPKG$/S0100001.1/../../../staging",
        "/SMS_DP_SMSPKG$/S0100001.1/%2e%2e/%2e%2e/index.json",
        "/SMS_DP_SMSPKG$/S0100001.1/..%2findex.json",
        "/SMS_DP_SMSPKG$/S0100001.1/..\\index.json",
        "/SMS_DP_SMSPKG$/S0100001.1/sccm?/../index.json",
        "/SMS_DP_SMSPKG$/../index.json",
        "/SMS_DP_SMSPKG$/S0100001.1//etc/passwd",
        "/SMS_DP_SMSPKG$/S0100001.1/%00",
    ],
)
async def test_names_that_leave_the_package(filled: Any, target: str) -> None:
    reply = await filled.raw(f"GET {target} HTTP/1.1\r\nHost: dp\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.1 40[034] ", reply)
    assert b"package_hash" not in reply
    assert b"root:" not in reply


@pytest.mark.proves("content.absolute_form")
async def test_an_absolute_target(filled: Any) -> None:
    reply = await filled.raw(f"GET http://dp{URL} HTTP/1.1\r\nHost: dp\r\nConnection: close\r\n\r\n")
    assert reply.endswith(SETUP)


@pytest.mark.proves("content.abandoned")
async def test_a_client_that_leaves_in_the_middle_harms_nobody(lab: Any) -> None:
    files = {"big": b"x" * 20_000_000}
    await lab.put(lab.tar_of(files), lab.hash_of(files))
    reader, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    writer.write(b"GET /SMS_DP_SMSPKG$/S0100001.1/big HTTP/1.1\r\nHost: dp\r\n\r\n")
    await reader.readexactly(1000)
    writer.transport.abort()
    async with lab.http.get("/SMS_DP_SMSPKG$/S0100001.1/big", headers={"Range": "bytes=-5"}) as response:
        assert await response.read() == b"xxxxx"


async def test_a_download_goes_on_while_its_package_is_replaced(lab: Any) -> None:
    files, other = {"big": b"x" * 20_000_000}, {"big": b"y"}
    await lab.put(lab.tar_of(files), lab.hash_of(files))
    async with lab.http.get("/SMS_DP_SMSPKG$/S0100001.1/big") as response:
        await lab.put(lab.tar_of(other), lab.hash_of(other))
        assert await response.read() == files["big"]


async def test_the_validator_is_what_arrived(filled: Any) -> None:
    # A disk that changes a file changes neither the name nor the hash clients were promised.
    (filled.settings.data / "packages" / "S0100001.1" / "content" / "setup.exe").write_bytes(b"bit rot")
    async with filled.http.get(URL) as response:
        assert (await response.read(), response.headers["ETag"]) == (b"bit rot", ETAG)


@pytest.mark.proves("content.ranges")
async def test_several_ranges(filled: Any) -> None:
    async with filled.http.get(URL, headers={"Range": "bytes=0-1,100-104,-2"}) as response:
        assert response.status == 206
        assert response.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
        assert int(response.headers["Content-Length"]) == len(await response.read())
        parts = email.message_from_bytes(
            b"Content-Type: "
            + response.headers["Content-Type"].encode()
            + b"\r\n\r\n"
            + await response.read()
        ).get_payload()
    size = len(SETUP)
    assert [(part["Content-Range"], part.get_payload(decode=True)) for part in parts] == [
        (f"bytes 0-1/{size}", SETUP[:2]),
        (f"bytes 100-104/{size}", SETUP[100:105]),
        (f"bytes {size - 2}-{size - 1}/{size}", SETUP[-2:]),
    ]


@pytest.mark.proves("content.ranges")
async def test_large_ranges_come_from_the_file_as_small_ones_do(lab: Any) -> None:
    content = bytes(range(256)) * 2000
    await lab.fill({"large": content})
    headers = {"Range": "bytes=0-199999,300000-399999"}
    async with lab.http.get("/SMS_DP_SMSPKG$/S0100001.1/large", headers=headers) as response:
        body = await response.read()
        assert (response.status, len(body)) == (206, int(response.headers["Content-Length"]))
    assert content[:200000] in body
    assert content[300000:400000] in body
    assert b"Content-Range: bytes 300000-399999/512000\r\n\r\n" in body
    async with lab.http.get("/SMS_DP_SMSPKG$/S0100001.1/large") as response:
        assert await response.read() == content


@pytest.mark.proves("content.ranges")
async def test_the_same_bytes_twice_are_not_sent_twice(filled: Any) -> None:
    async with filled.http.get(URL, headers={"Range": "bytes=0-,0-,0-"}) as response:
        assert (response.status, await response.read()) == (200, SETUP)


@pytest.mark.proves("content.sccm")
@pytest.mark.parametrize(
    "query",
    ["/Data/read%20me.txt", "Data/read%20me.txt", "/data/READ%20ME.TXT", "/Data%2fread%20me.txt"],
)
async def test_a_path_in_the_query(filled: Any, query: str) -> None:
    url = f"/sms_dp_smspkg$/s0100001.1/sccm?{query}"
    reply = await filled.raw(f"GET {url} HTTP/1.1\r\nHost: dp\r\nConnection: close\r\n\r\n")
    assert reply.endswith(b"\r\n\r\nhello\n")


@pytest.mark.proves("content.sccm")
async def test_a_plus_in_the_query_is_a_plus(lab: Any) -> None:
    await lab.fill({"a+b.txt": b"plus", "a b.txt": b"blank"})
    for query in ("/a+b.txt", "/a%2Bb.txt"):
        target = f"/SMS_DP_SMSPKG$/S0100001.1/sccm?{query}"
        reply = await lab.raw(f"GET {target} HTTP/1.1\r\nHost: dp\r\nConnection: close\r\n\r\n")
        assert reply.endswith(b"\r\n\r\nplus")


@pytest.mark.proves("content.package_id")
async def test_a_package_without_a_version_is_its_newest(lab: Any) -> None:
    for version in (9, 10):
        await lab.fill({"v": str(version).encode()}, f"S0100001.{version}")
    assert await lab.text("/SMS_DP_SMSPKG$/s0100001/v") == "10"
    async with lab.http.delete(
        "/SMSPKG/S0100001.10", headers={"Authorization": "Bearer the site's secret"}
    ) as response:
        assert response.status == 204
    assert await lab.text("/SMS_DP_SMSPKG$/S0100001/v") == "9"


@pytest.mark.proves("content.many_files")
async def test_ten_thousand_files(lab: Any) -> None:
    await lab.fill({f"{n // 100:02}/{n}.txt": str(n).encode() for n in range(10_000)})
    page = await lab.text("/SMS_DP_SMSPKG$/S0100001.1/42")
    assert page.count("<a href=") == 100
    async with lab.http.request("PROPFIND", "/SMS_DP_SMSPKG$/S0100001.1") as response:
        assert (await response.read()).count(b"<a:getcontentlength>") == 10_000
    for n in (0, 4242, 9999):
        assert await lab.text(f"/SMS_DP_SMSPKG$/S0100001.1/{n // 100:02}/{n}.txt") == str(n)
