from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from emulator.errors import (
    CacheTooSmall,
    ContentHashMismatch,
    DistributionPointUnavailable,
    ManagementPointUnavailable,
    NoContentLocation,
)
from emulator.protocol.content import hash_folder
from emulator.protocol.software_distribution import SoftwareDistributionPolicy
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite
from tests.clients.until import until


@pytest.fixture
def policy(site: FakeSite) -> SoftwareDistributionPolicy:
    site.package()
    return site.advertise()[1]


def cached(client: SimulatedClient, policy: SoftwareDistributionPolicy) -> bool:
    access = client.content_access
    return access.cached(policy.package_id, policy.package_version, policy.source_hash) is not None


async def test_a_package_arrives_whole(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    package = await client.content_access.download(policy)
    assert hash_folder(package.folder)[0] == policy.source_hash == package.source_hash
    assert (package.folder / "data" / "big file.bin").stat().st_size == 20_000
    assert [r.status for r in client.content_access.requests] == [200, 200]
    assert client.content_access.progress("S0100001") == (package.size, package.size)


@pytest.mark.parametrize("full", ["clients.download.write_durably", "clients.content_access.hash_folder"])
async def test_a_disk_that_is_full_for_a_while_is_waited_for_like_an_outage(
    client: SimulatedClient,
    policy: SoftwareDistributionPolicy,
    monkeypatch: pytest.MonkeyPatch,
    full: str,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(full, refuse)
        with pytest.raises(DistributionPointUnavailable, match=r"cannot be kept: .*No space left on device"):
            await client.content_access.download(policy)
    assert (await client.content_access.download(policy)).source_hash == policy.source_hash


async def test_what_is_cached_is_not_asked_for(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy, make_client: MakeClient
) -> None:
    await client.content_access.download(policy)
    client.abandon()
    await site.stop()
    again = make_client()
    assert cached(again, policy)
    assert (await again.content_access.download(policy)).version == 1
    assert again.content_access.requests == []


async def test_an_interrupted_download_goes_on_at_its_byte(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy, make_client: MakeClient
) -> None:
    site.dp.break_after = 7_000
    with pytest.raises(DistributionPointUnavailable):
        await client.content_access.download(policy)
    done, total = client.content_access.progress("S0100001")
    assert done == 7_000
    assert total > 20_000
    client.abandon()
    # another life of the client, and the distribution point is back
    site.dp.break_after = None
    again = make_client()
    assert again.content_access.progress("S0100001") == (done, total)
    package = await again.content_access.download(policy)
    first = again.content_access.requests[0]
    assert (first.range_start, first.status) == (7_000, 206)
    assert site.dp.requests[-2][2] == "bytes=7000-"
    assert hash_folder(package.folder)[0] == policy.source_hash


async def test_limited_bandwidth_asks_for_blocks(make_client: MakeClient, site: FakeSite) -> None:
    site.package(size=300_000)
    policy = site.advertise()[1]
    client = make_client(bits_bytes_per_second=400_000)
    await client.register()
    task = asyncio.create_task(client.content_access.download(policy))
    await until(lambda: client.content_access.progress("S0100001")[0])
    client.content_access.suspend()
    await site.dp.stop()
    client.content_access.resume()
    with pytest.raises(DistributionPointUnavailable):
        await task
    done, _ = client.content_access.progress("S0100001")
    assert 0 < done < 300_000
    await site.dp.start()
    before = len(client.content_access.requests)
    assert (await client.content_access.download(policy)).size > 300_000
    assert client.content_access.requests[before].range_start == done


async def test_a_suspended_download_asks_for_nothing(make_client: MakeClient, site: FakeSite) -> None:
    site.package(size=300_000)
    policy = site.advertise()[1]
    client = make_client(bits_bytes_per_second=10_000_000)
    await client.register()
    client.content_access.suspend()
    task = asyncio.create_task(client.content_access.download(policy))
    await until(lambda: client.content_access.progress("S0100001")[1])
    for _ in range(20):
        await asyncio.sleep(0)
    assert client.content_access.requests == []
    client.content_access.resume()
    assert (await task).size > 300_000


async def test_the_next_place_at_once_and_the_rest_from_there(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    site.mp.locations = [site.dp.url, site.dp2.url]
    site.dp.break_after = 5_000
    await client.content_access.download(policy)
    assert [r.range_start for r in client.content_access.requests] == [0, 5_000, 0]
    assert client.content_access.requests[1].url.startswith(site.dp2.url)


async def test_a_file_that_changed_starts_over(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    site.dp.break_after = 5_000
    with pytest.raises(DistributionPointUnavailable):
        await client.content_access.download(policy)
    site.dp.break_after = None
    site.package(size=30_000)
    _, newer = site.advertise(package_version=1)
    await client.content_access.download(newer)
    assert client.content_access.requests[1].range_start == 0


async def test_wrong_content_is_never_kept(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    (site.folder / "S0100001.1" / "data" / "big file.bin").write_bytes(b"x" * 20_000)
    with pytest.raises(ContentHashMismatch):
        await client.content_access.download(policy)
    assert not cached(client, policy)
    assert client.content_access.cache.stagings() == []


async def test_wrong_at_one_place_right_at_the_next(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "file").write_bytes(b"bad")
    site.dp.packages["S0100001.1"] = bad
    site.mp.locations = [site.dp.url, site.dp2.url]
    package = await client.content_access.download(policy)
    assert hash_folder(package.folder)[0] == policy.source_hash


async def test_content_that_changed_in_the_cache_is_fetched_again(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    package = await client.content_access.download(policy)
    (package.folder / "data" / "big file.bin").write_bytes(b"changed")
    again = await client.content_access.download(policy)
    assert hash_folder(again.folder)[0] == policy.source_hash
    assert len(client.content_access.requests) == 4


async def test_a_list_that_leaves_the_folder_is_refused(
    client: SimulatedClient,
    site: FakeSite,
    policy: SoftwareDistributionPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def evil(url: str) -> bytes:
        return (
            b'<a:multistatus xmlns:a="DAV:"><a:response><a:href>/SMS_DP_SMSPKG$/S0100001.1/../../x</a:href>'
            b"<a:propstat><a:prop><a:getcontentlength>1</a:getcontentlength></a:prop></a:propstat>"
            b"</a:response></a:multistatus>"
        )

    monkeypatch.setattr(client.transport, "list_files", evil)
    with pytest.raises(DistributionPointUnavailable, match="unusable list"):
        await client.content_access.download(policy)


async def test_nobody_to_ask_and_nowhere_to_get_it(
    client: SimulatedClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    site.mp.locations = []
    with pytest.raises(NoContentLocation):
        await client.content_access.download(policy)
    site.mp.failing["MP_LocationManager"] = 500
    with pytest.raises(ManagementPointUnavailable):
        await client.content_access.download(policy)
    site.mp.failing.clear()
    site.mp.locations = [site.dp.url]
    await site.dp.stop()
    with pytest.raises(DistributionPointUnavailable, match="ClientConnectorError"):
        await client.content_access.download(policy)


async def test_larger_than_the_cache_is_not_even_asked_for(
    make_client: MakeClient, site: FakeSite, policy: SoftwareDistributionPolicy
) -> None:
    client = make_client(cache_size_mb=0.01)
    with pytest.raises(CacheTooSmall):
        await client.content_access.download(policy)
    assert site.mp.requests == []
