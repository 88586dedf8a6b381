"""A snapshot goes over the wire as a tar that any tar program reads, or it is told why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emulator.errors import DistributionPointUnavailable
from emulator.protocol.content import hash_folder
from emulator.site_server.package_source import PackageSource, SourceUnreadable
from emulator.site_server.package_transfer import PackageTransfer, seconds_to_store, tar_stream
from tests.site_server.lab import SECRET, FakeDistributionPoint, read_tar


@pytest.fixture
async def transfer() -> AsyncIterator[PackageTransfer]:
    made = PackageTransfer(SECRET, patience=0.5)
    made.open()
    yield made
    await made.close()


async def test_the_tar_holds_the_folder(source_folder: Path) -> None:
    (source_folder / "ünï").mkdir()
    (source_folder / "ünï" / ("x" * 200)).write_bytes(b"1" * 1025)
    tar = b"".join([piece async for piece in tar_stream(source_folder)])
    files = {
        p.relative_to(source_folder).as_posix(): p.read_bytes()
        for p in source_folder.rglob("*")
        if p.is_file()
    }
    assert read_tar(tar) == files


async def test_sent_and_removed(
    transfer: PackageTransfer, source_folder: Path, distribution_points: list[FakeDistributionPoint]
) -> None:
    url = f"{distribution_points[0].address.url}/SMSPKG/S0100001.1"
    await transfer.send(url, source_folder, hash_folder(source_folder)[0])
    assert "S0100001.1" in distribution_points[0].packages
    await transfer.remove(url)
    await transfer.remove(url)  # what is not there is as good as removed
    assert not distribution_points[0].packages


def test_many_small_files_keep_a_distribution_point_busy() -> None:
    # Each one is synced: some 3,000 a second on a good disk, far fewer on others.
    assert seconds_to_store(10_000 * 1024, 10_000) > 10
    assert seconds_to_store(1024, 1) < 1


async def test_why_not(
    transfer: PackageTransfer, source_folder: Path, distribution_points: list[FakeDistributionPoint]
) -> None:
    url = f"{distribution_points[0].address.url}/SMSPKG/S0100001.1"
    with pytest.raises(DistributionPointUnavailable, match="HTTP 422"):
        await transfer.send(url, source_folder, "SHA256:0")
    with pytest.raises(FileNotFoundError):
        await transfer.send(url, source_folder / "nowhere", "SHA256:0")
    await distribution_points[0].stop()
    with pytest.raises(DistributionPointUnavailable, match="ClientConnectorError") as caught:
        await transfer.remove(url)
    assert caught.value.status is None


async def test_a_source_is_copied_and_one_version_kept(tmp_path: Path, source_folder: Path) -> None:
    source = PackageSource(tmp_path / "snapshots")
    first = await source.take("S0100001", 1, source_folder)
    (source_folder / "setup.exe").write_bytes(b"new")
    second = await source.take("S0100001", 2, source_folder)
    assert (first.folder / "setup.exe").read_bytes() == b"MZ" * 3000
    assert first.package_hash != second.package_hash
    assert second.size == 3
    await source.keep_only("S0100001", 2)
    assert await source.find("S0100001", 1) is None
    assert await source.find("S0100001", 2) == second.folder


async def test_a_source_that_is_no_folder(tmp_path: Path) -> None:
    source = PackageSource(tmp_path / "snapshots")
    (tmp_path / "file").write_text("")
    for wrong in ("file", "nowhere"):
        with pytest.raises(SourceUnreadable, match=wrong):
            await source.take("S0100001", 1, tmp_path / wrong)
    assert await source.find("S0100001", 1) is None
