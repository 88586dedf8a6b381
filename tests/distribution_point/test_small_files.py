"""A file asked for again is answered as it was the first time."""

from __future__ import annotations

from typing import Any

import pytest

URL = "/SMS_DP_SMSPKG$/S0100001.1/setup.exe"


async def ask(lab: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    async with lab.http.get(URL, headers=headers) as response:
        told = {name.lower(): value for name, value in response.headers.items() if name.lower() != "date"}
        return response.status, told, await response.read()


async def test_the_second_answer_is_the_first(filled: Any) -> None:
    first = await ask(filled)
    assert [await ask(filled) for _ in range(3)] == [first] * 3


@pytest.mark.proves("content.range", "content.conditions")
async def test_ranges_and_conditions_are_kept_to(filled: Any) -> None:
    _, told, content = await ask(filled)
    assert (await ask(filled, Range="bytes=1-2"))[::2] == (206, content[1:3])
    assert (await ask(filled, **{"If-None-Match": told["etag"]}))[::2] == (304, b"")
    async with filled.http.head(URL) as response:
        assert (response.headers["Content-Length"], await response.read()) == (str(len(content)), b"")


async def test_what_a_package_brings_is_seen_at_once(filled: Any) -> None:
    await ask(filled)
    await filled.fill({"setup.exe": b"other bytes"})
    assert (await ask(filled))[2] == b"other bytes"
    headers = {"Authorization": "Bearer the site's secret"}
    async with filled.http.delete("/SMSPKG/S0100001.1", headers=headers) as response:
        assert response.status == 204
    assert (await ask(filled))[0] == 404


async def test_a_package_replaced_while_it_is_read_is_not_remembered(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = filled.role.package_files
    get = files.get

    async def and_then_another(*args: Any) -> Any:
        response = await get(*args)
        monkeypatch.setattr(files, "get", get)
        await filled.fill({"setup.exe": content[::-1]})  # as long, and other bytes
        return response

    content = (await ask(filled))[2]
    filled.role.small_files._known.clear()
    monkeypatch.setattr(files, "get", and_then_another)
    _, old, _ = await ask(filled)
    _, new, found = await ask(filled)
    assert found == content[::-1]
    assert new["etag"] != old["etag"]


@pytest.mark.parametrize("damage", [b"bit rot", b"", b"x" * 20_000, None])
async def test_the_disk_is_read_every_time(filled: Any, damage: bytes | None) -> None:
    await ask(filled)
    path = filled.settings.data / "packages" / "S0100001.1" / "content" / "setup.exe"
    if damage is None:
        path.unlink()
        assert (await ask(filled))[0] == 404
    else:
        path.write_bytes(damage)
        assert (await ask(filled))[::2] == (200, damage)


@pytest.mark.parametrize(
    "head", [f"GET {URL} HTTP/1.0\r\n\r\n", f"GET {URL} HTTP/1.1\r\nConnection: close\r\n"]
)
async def test_a_connection_that_ends(filled: Any, head: str) -> None:
    await ask(filled)
    end = "" if head.endswith("\r\n\r\n") else "Host: dp\r\n\r\n"
    reply = await filled.raw(head + end)
    assert reply.endswith(filled.FILES["setup.exe"])
    if end:
        assert b"\r\nConnection: close\r\n" in reply


@pytest.mark.proves("content.expect_continue")
async def test_who_waits_to_send_a_body_is_told_to(filled: Any) -> None:
    head = "PROPFIND /SMS_DP_SMSPKG$/S0100001.1 HTTP/1.1\r\nHost: dp\r\nConnection: close\r\n"
    reply = await filled.raw(f"{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n ")
    assert reply.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 207 ")


async def test_small_and_large_files_on_one_connection(lab: Any) -> None:
    files = {"small": b"s" * 100, "large": b"l" * 300_000, "empty": b""}
    await lab.fill(files)
    order = ["small", "large", "small", "empty", "small", "large", "empty"]
    head = "GET /SMS_DP_SMSPKG$/S0100001.1/{} HTTP/1.1\r\nHost: dp\r\n{}\r\n"
    requests = [head.format(name, "") for name in order[:-1]] + [
        head.format(order[-1], "Connection: close\r\n")
    ]
    reply = await lab.raw("".join(requests))  # all at once: the answers come in the order of the requests
    bodies = [part.partition(b"\r\n\r\n")[2] for part in reply.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [files[name] for name in order]
