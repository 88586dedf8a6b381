"""Content arrives whole or not at all."""

from __future__ import annotations

import asyncio
import io
import tarfile
from typing import Any

import pytest

PUT_HEAD = (
    "PUT /SMSPKG/S0100001.1 HTTP/1.1\r\nHost: dp\r\nContent-Length: {length}\r\n"
    "X-Package-Hash: {announced}\r\nAuthorization: Bearer the site's secret\r\n\r\n"
)


async def test_a_package_that_arrived_whole_is_served(filled: Any) -> None:
    for name, content in filled.FILES.items():
        async with filled.http.get(f"/SMS_DP_SMSPKG$/S0100001.1/{name}") as response:
            assert (response.status, await response.read()) == (200, content)
    assert not list((filled.settings.data / "staging").iterdir())


async def test_the_same_package_again_is_taken_and_changes_nothing(filled: Any) -> None:
    status, _ = await filled.put(filled.tar_of(filled.FILES), filled.hash_of(filled.FILES))
    assert status == 200
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/setup.exe") as response:
        assert await response.read() == filled.FILES["setup.exe"]


async def test_a_refresh_repairs_a_damaged_copy(filled: Any) -> None:
    damaged = filled.settings.data / "packages" / "S0100001.1" / "content" / "setup.exe"
    damaged.write_bytes(b"bit rot")
    await filled.put(filled.tar_of(filled.FILES), filled.hash_of(filled.FILES))
    assert damaged.read_bytes() == filled.FILES["setup.exe"]


async def test_other_content_under_the_same_version_replaces_it_whole(filled: Any) -> None:
    other = {"setup.cmd": b"exit 0"}
    assert (await filled.put(filled.tar_of(other), filled.hash_of(other)))[0] == 201
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/setup.exe") as response:
        assert response.status == 404
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/setup.cmd") as response:
        assert await response.read() == b"exit 0"


async def test_content_with_another_hash_is_refused_and_not_kept(lab: Any) -> None:
    status, text = await lab.put(lab.tar_of({**lab.FILES, "setup.exe": b"evil"}), lab.hash_of(lab.FILES))
    assert status == 422
    assert "announced" in text
    assert lab.nothing_left()


async def test_without_the_secret_nothing_is_read(lab: Any) -> None:
    assert (await lab.put(lab.tar_of(lab.FILES), lab.hash_of(lab.FILES), secret="wrong"))[0] == 401
    assert lab.nothing_left()


async def test_without_a_hash_nothing_is_taken(lab: Any) -> None:
    assert (await lab.put(lab.tar_of({}), ""))[0] == 400
    assert lab.nothing_left()


@pytest.mark.parametrize(
    "name", ["S0100001", "S0100001.x", "%2e%2e", "S0100001.1%2f..%2fx", "..", "S01000%00.1", "ü0100001.1"]
)
async def test_a_name_that_is_no_package_is_refused(lab: Any, name: str) -> None:
    status, _ = await lab.put(lab.tar_of(lab.FILES), lab.hash_of(lab.FILES), name=name)
    assert status in (400, 404)
    assert lab.nothing_left()


@pytest.mark.parametrize("cut", [0, 1, 511, 700, 5000])
async def test_a_damaged_tar_is_refused(lab: Any, cut: int) -> None:
    status, _ = await lab.put(lab.tar_of(lab.FILES)[:cut], lab.hash_of(lab.FILES))
    assert status in (400, 422)
    assert lab.nothing_left()


async def test_rubbish_is_refused(lab: Any) -> None:
    assert (await lab.put(b"rubbish" * 1000, "SHA256:00"))[0] == 400
    assert lab.nothing_left()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        member("../outside"),
        member("/etc/outside"),
        member("a/../../outside"),
        member("..\\outside"),
        member("C:\\outside"),
        member("no utf-8 \udcff"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "setup.exe"),
        member("pipe", tarfile.FIFOTYPE),
        member("null", tarfile.CHRTYPE),
        member("disk", tarfile.BLKTYPE),
    ],
)
async def test_names_that_leave_links_and_devices_are_refused(lab: Any, body: bytes) -> None:
    assert (await lab.put(body, "SHA256:00"))[0] == 400
    assert lab.nothing_left()
    assert not (lab.settings.data / "outside").exists()


async def test_a_file_named_twice_is_refused(lab: Any) -> None:
    once = member("twice")
    twice = once[:512] + once
    status, text = await lab.put(twice, "SHA256:00")
    assert (status, "twice" in text) == (400, True)
    assert lab.nothing_left()


async def test_an_upload_that_breaks_off_leaves_nothing(lab: Any) -> None:
    body = lab.tar_of(lab.FILES)
    _, writer = await asyncio.open_connection(lab.settings.role.host, lab.settings.role.port)
    writer.write(PUT_HEAD.format(length=len(body), announced=lab.hash_of(lab.FILES)).encode() + body[:600])
    await writer.drain()
    staging = lab.settings.data / "staging"
    await lab.until(lambda: any(staging.iterdir()))
    writer.close()
    await writer.wait_closed()
    await lab.until(lambda: not any(staging.iterdir()))
    assert lab.nothing_left()
    assert (await lab.put(body, lab.hash_of(lab.FILES)))[0] == 201


async def test_a_full_disk_is_answered_as_one(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.distribution_point.package_store.write_durably", full)
    status, text = await lab.put(lab.tar_of(lab.FILES), lab.hash_of(lab.FILES))
    assert (status, "No space left" in text) == (507, True)
    assert lab.nothing_left()
    monkeypatch.undo()
    assert (await lab.put(lab.tar_of(lab.FILES), lab.hash_of(lab.FILES)))[0] == 201


async def test_delete(filled: Any) -> None:
    headers = {"Authorization": "Bearer the site's secret"}
    async with filled.http.delete("/SMSPKG/S0100001.1") as response:
        assert response.status == 401
    async with filled.http.delete("/SMSPKG/s0100001.1", headers=headers) as response:
        assert response.status == 204
    async with filled.http.delete("/SMSPKG/S0100001.1", headers=headers) as response:
        assert response.status == 404
    assert filled.nothing_left()


async def test_packages_survive_a_restart_and_staging_does_not(filled: Any) -> None:
    staging = filled.settings.data / "staging"
    (staging / "half" / "content").mkdir(parents=True)
    (staging / "stray").write_bytes(b"x")
    await filled.restart()
    assert not list(staging.iterdir())
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/setup.exe") as response:
        assert response.status == 200


async def test_a_version_whose_successor_did_not_make_it_is_put_back(filled: Any) -> None:
    # The moment between the two renames of a replacement.
    data = filled.settings.data
    await filled.role.stop()
    (data / "packages" / "S0100001.1").rename(data / "staging" / "S0100001.1.replaced")
    await filled.restart()
    async with filled.http.get("/SMS_DP_SMSPKG$/S0100001.1/setup.exe") as response:
        assert response.status == 200


async def test_an_unknown_verb_is_refused(lab: Any) -> None:
    headers = {"Authorization": "Bearer the site's secret"}
    async with lab.http.post("/SMSPKG/S0100001.1", headers=headers) as response:
        assert response.status == 405
    async with lab.http.post("/SMS_DP_SMSPKG$/S0100001.1/setup.exe") as response:
        assert response.status == 405
    async with lab.http.get("/") as response:
        assert response.status == 404
