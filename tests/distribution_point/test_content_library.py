"""Datalib, FileLib and PkgLib: the same bytes by hash, and once on disk."""

from __future__ import annotations

import configparser
import hashlib
from typing import Any

import pytest

ROOT = "/SMS_DP_SMSPKG$"
SECRET = {"Authorization": "Bearer the site's secret"}


@pytest.mark.proves("library.datalib")
@pytest.mark.parametrize("folder", ["Datalib", "datalib", "DATALIB"])
async def test_an_ini_says_what_a_file_is(filled: Any, folder: str) -> None:
    text = await filled.text(f"{ROOT}/{folder}/S0100001.1/Data/read%20me.txt.INI")
    ini = configparser.ConfigParser()
    ini.read_string(text)
    sha256 = hashlib.sha256(b"hello\n").hexdigest().upper()
    assert dict(ini["File"]) == {
        "size": "6",
        "attributes": "32",
        "timemodified": "128883168000000000",
        "hash": sha256,
        "hashalgorithm": "32780",
    }
    assert f"\r\nHash={sha256}\r\n" in text


@pytest.mark.proves("library.filelib")
async def test_every_file_of_a_package_by_its_hash(filled: Any) -> None:
    for content in filled.FILES.values():
        sha256 = hashlib.sha256(content).hexdigest().upper()
        for url in (f"{ROOT}/FileLib/{sha256[:4]}/{sha256}", f"{ROOT}/filelib/{sha256[:4]}/{sha256}".lower()):
            async with filled.http.get(url) as response:
                assert (response.status, await response.read()) == (200, content)
                assert response.headers["ETag"] == f'"{sha256.lower()}"'
        text = await filled.text(f"{ROOT}/FileLib/{sha256[:4]}/{sha256}.INI")
        assert text == "[Packages]\r\nS0100001.1=\r\n"


@pytest.mark.proves("library.filelib")
async def test_ranges_of_a_file_by_its_hash(filled: Any) -> None:
    content = filled.FILES["setup.exe"]
    sha256 = hashlib.sha256(content).hexdigest().upper()
    async with filled.http.get(
        f"{ROOT}/FileLib/{sha256[:4]}/{sha256}", headers={"Range": "bytes=10-19"}
    ) as response:
        assert (response.status, await response.read()) == (206, content[10:20])


@pytest.mark.proves("library.pkglib")
async def test_pkglib_names_the_content_of_a_package(filled: Any) -> None:
    await filled.fill({"other": b"x"}, "S0100001.2")
    assert await filled.text(f"{ROOT}/PkgLib/s0100001.ini") == "[Packages]\r\nS0100001.1=\r\nS0100001.2=\r\n"
    assert ">S0100001.INI</a>" in await filled.text(f"{ROOT}/PkgLib")


async def test_the_listings_of_the_library(filled: Any) -> None:
    page = await filled.text(f"{ROOT}/Datalib/S0100001.1")
    assert f'{filled.url}{ROOT}/Datalib/S0100001.1/setup.exe.INI"' in page
    sha256 = hashlib.sha256(b"hello\n").hexdigest().upper()
    assert f">{sha256[:4]}</a>" in await filled.text(f"{ROOT}/FileLib")
    assert f">{sha256}.INI</a>" in await filled.text(f"{ROOT}/FileLib/{sha256[:4]}")


@pytest.mark.parametrize(
    "path",
    [
        "Datalib/S0100001.1/nothing.INI",
        "Datalib/S0100001.1/setup.exe",
        "Datalib/S0100009.1",
        "Datalib/S0100009.1.INI",
        "FileLib/0000",
        "FileLib/5891/5891",
        "FileLib/x",
        "FileLib/5891/" + "0" * 64,
        "PkgLib/S0100009.INI",
        "S0100009.1.INI",
    ],
)
async def test_what_the_library_does_not_have(filled: Any, path: str) -> None:
    async with filled.http.get(f"{ROOT}/{path}") as response:
        assert response.status == 404


@pytest.mark.proves("library.single_instance")
async def test_a_shared_file_is_on_disk_once_and_outlives_either_package(filled: Any) -> None:
    shared = filled.FILES["setup.exe"]
    await filled.fill({"again/setup.exe": shared, "own": b"own"}, "S0100002.1")
    packages = filled.settings.data / "packages"
    first = packages / "S0100001.1" / "content" / "setup.exe"
    second = packages / "S0100002.1" / "content" / "again" / "setup.exe"
    assert first.samefile(second)
    sha256 = hashlib.sha256(shared).hexdigest().upper()
    by_hash = f"{ROOT}/FileLib/{sha256[:4]}/{sha256}"
    assert await filled.text(f"{by_hash}.INI") == "[Packages]\r\nS0100001.1=\r\nS0100002.1=\r\n"

    # the first package is deleted.
    # expect: the other one, and FileLib, have the file still.
    async with filled.http.delete("/SMSPKG/S0100001.1", headers=SECRET) as response:
        assert response.status == 204
    for url in (by_hash, f"{ROOT}/S0100002.1/again/setup.exe"):
        async with filled.http.get(url) as response:
            assert (response.status, await response.read()) == (200, shared)
    assert await filled.text(f"{by_hash}.INI") == "[Packages]\r\nS0100002.1=\r\n"

    # a restart, then the other one is deleted too.
    # expect: nobody has it any more.
    await filled.restart()
    async with filled.http.get(by_hash) as response:
        assert response.status == 200
    async with filled.http.delete("/SMSPKG/S0100002.1", headers=SECRET) as response:
        assert response.status == 204
    async with filled.http.get(by_hash) as response:
        assert response.status == 404


@pytest.mark.proves("library.single_instance")
async def test_a_damaged_file_is_not_shared(filled: Any) -> None:
    damaged = filled.settings.data / "packages" / "S0100001.1" / "content" / "setup.exe"
    damaged.write_bytes(b"bit rot")
    await filled.fill({"setup.exe": filled.FILES["setup.exe"]}, "S0100002.1")
    async with filled.http.get(f"{ROOT}/S0100002.1/setup.exe") as response:
        assert await response.read() == filled.FILES["setup.exe"]
