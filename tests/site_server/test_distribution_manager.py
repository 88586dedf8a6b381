"""Packages reach distribution points, whatever happens on the way, and leave them again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.protocol.content import hash_folder
from emulator.site_server.distribution_manager import DistributionManager, RetrySettings
from emulator.site_server.package_source import PackageSource
from emulator.site_server.package_transfer import PackageTransfer
from emulator.site_server.site_server import SiteServer
from tests.site_server.lab import Administrator, FakeDistributionPoint, dp_nal, until

Start = Callable[..., Awaitable[SiteServer]]
FAST = 36000.0  # half an hour of site time in 50 ms
Points = list[FakeDistributionPoint]


class FewRetries(SiteServer):
    def make_distribution_manager(self) -> DistributionManager:
        source = PackageSource(self.settings.data / "package_source")
        transfer = PackageTransfer(self.settings.secret, self.settings.link_timeout)
        return DistributionManager(self, source, transfer, RetrySettings(attempts=3))


async def distribute(administrator: Administrator, folder: Path, *numbers: int) -> str:
    package = await administrator.new("SMS_Package", Name="7-Zip", PkgSourcePath=str(folder))
    for number in numbers:
        await add_point(administrator, package["PackageID"], number)
    return str(package["PackageID"])


async def add_point(administrator: Administrator, package_id: str, number: int) -> None:
    await administrator.new("SMS_DistributionPoint", PackageID=package_id, ServerNALPath=dp_nal(number))


async def reaches(administrator: Administrator, number: int, **expected: Any) -> dict[str, Any]:
    """Wait until the package status on a distribution point is as expected."""

    async def status() -> dict[str, Any] | None:
        for row in await administrator.all("SMS_PackageStatus"):
            if row["ServerNALPath"] == dp_nal(number) and expected.items() <= row.items():
                return row
        return None

    found: dict[str, Any] = await until(status)
    return found


async def test_a_package_is_installed(
    administrator: Administrator, distribution_points: Points, source_folder: Path
) -> None:
    (source_folder / ("long" * 40)).write_bytes(b"x" * 700_000)
    package_id = await distribute(administrator, source_folder, 1)
    status = await reaches(administrator, 1, Status=3, SourceVersion=1)
    point = distribution_points[0]
    assert status["HTTPUrl"] == f"{point.address.url}/SMS_DP_SMSPKG$/{package_id}.1"
    assert point.packages[f"{package_id}.1"]["setup.exe"] == b"MZ" * 3000
    assert set(point.packages[f"{package_id}.1"]) == {"setup.exe", "sub/empty.txt", "long" * 40}
    package = await administrator.one(f"SMS_Package('{package_id}')")
    assert package["StoredPkgVersion"] == 1
    assert package["PkgSourceHash"] == hash_folder(source_folder)[0]
    assert package["SourceSize"] == 706_000

    async def reported() -> bool:
        messages = await administrator.all("SMS_StatusMessage", orderby="RecordID")
        return [m["MessageID"] for m in messages] == [2300, 2311, 2301, 2342, 2330]

    await until(reported)
    assert not distribution_points[1].packages


@pytest.mark.proves("adminservice.add-distribution-points")
async def test_several_distribution_points_at_once(
    administrator: Administrator, distribution_points: Points, source_folder: Path
) -> None:
    package = await administrator.new("SMS_Package", Name="p", PkgSourcePath=str(source_folder))
    path = f"SMS_Package('{package['PackageID']}')/AdminService.AddDistributionPoints"
    role = "RoleName eq 'SMS Distribution Point'"
    names = [p["NALPath"] for p in await administrator.all("SMS_SystemResourceList", filter=role)]
    assert len(names) > 1
    wrong = [
        {"NALPath": []},
        {"NALPath": names, "SiteCode": ["S01"]},
        {"NALPath": names, "SiteCode": ["S01", "XXX"]},
        {"NALPath": [names[0], "nowhere"]},
        {"NALPath": [names[0], 5]},
    ]
    for arguments in wrong:
        assert (await administrator.ask("POST", path, arguments))[0] == 400, arguments
    assert await administrator.all("SMS_DistributionPoint") == []  # all or none
    right = {"NALPath": names, "SiteCode": ["S01"] * len(names)}
    assert await administrator.ask("POST", path, right) == (201, {"ReturnValue": 0})
    assert {p["ServerNALPath"] for p in await administrator.all("SMS_DistributionPoint")} == set(names)

    async def everywhere() -> bool:
        return all(point.packages for point in distribution_points)

    await until(everywhere)
    assert (await administrator.ask("POST", path, right))[0] == 409


async def test_a_new_version_keeps_the_one_before(
    administrator: Administrator, distribution_points: Points, source_folder: Path
) -> None:
    package_id = await distribute(administrator, source_folder, 1)
    for version in (1, 2, 3):
        await reaches(administrator, 1, Status=3, SourceVersion=version)
        (source_folder / "setup.exe").write_bytes(b"%d" % version)
        if version < 3:
            await administrator.ask("POST", f"SMS_Package('{package_id}')/AdminService.RefreshPkgSource", {})

    async def cleaned() -> bool:
        return set(distribution_points[0].packages) == {f"{package_id}.2", f"{package_id}.3"}

    await until(cleaned)
    assert distribution_points[0].packages[f"{package_id}.3"]["setup.exe"] == b"2"


async def test_refresh_now_copies_the_stored_files(
    administrator: Administrator, distribution_points: Points, source_folder: Path
) -> None:
    package_id = await distribute(administrator, source_folder, 1)
    await reaches(administrator, 1, Status=3)
    # the source changes, but nobody asks for a new version; the distribution point loses its files.
    (source_folder / "setup.exe").write_bytes(b"changed")
    distribution_points[0].packages.clear()
    key = f"SMS_DistributionPoint(PackageID='{package_id}',ServerNALPath='{dp_nal(1)}')"
    assert (await administrator.ask("PATCH", key, {"RefreshNow": True}))[0] == 200

    async def copied() -> Any:
        return distribution_points[0].packages.get(f"{package_id}.1")

    # expect: it gets the version that was stored.
    assert (await until(copied))["setup.exe"] == b"MZ" * 3000
    await until(
        lambda: administrator.all("SMS_DistributionPoint", filter="RefreshNow eq false and Status eq 0")
    )


async def test_one_that_is_down_is_retried_and_does_not_hold_up_the_other(
    start_site_server: Start, http: aiohttp.ClientSession, distribution_points: Points, source_folder: Path
) -> None:
    server = await start_site_server(speed=FAST, others=tuple(p.address for p in distribution_points))
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP2'"))
    await distribution_points[0].stop()
    await distribute(administrator, source_folder, 1, 2)
    await reaches(administrator, 2, Status=3)
    waiting = await reaches(administrator, 1, Status=4)
    assert "ClientConnectorError" in waiting["LastError"]
    await distribution_points[0].start()
    assert (await reaches(administrator, 1, Status=3))["Attempts"] == 0


async def test_a_retry_that_was_planned_by_a_clock_far_ahead_is_made_when_that_is_put_right(
    start_site_server: Start, http: aiohttp.ClientSession, distribution_points: Points, source_folder: Path
) -> None:
    server = await start_site_server(speed=FAST, others=(distribution_points[0].address,))
    timeline, right = server.clock.timeline, server.clock.settings
    timeline.change(right.model_copy(update={"skew": {server.clock.who: 366 * 86_400.0}}))
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP1'"))
    await distribution_points[0].stop()
    await distribute(administrator, source_folder, 1)
    await reaches(administrator, 1, Status=4)
    timeline.change(right)
    await distribution_points[0].start()
    await reaches(administrator, 1, Status=3)


async def test_the_site_server_dies_in_a_transfer(
    start_site_server: Start, http: aiohttp.ClientSession, distribution_points: Points, source_folder: Path
) -> None:
    others = tuple(p.address for p in distribution_points)
    server = await start_site_server(others=others)
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP2'"))
    distribution_points[0].gate = asyncio.Event()
    package_id = await distribute(administrator, source_folder, 1)
    await reaches(administrator, 1, Status=1)
    await server.stop()
    distribution_points[0].gate.set()
    # another starts on the same folder.
    second = await start_site_server(others=others)
    administrator = Administrator(http, second.settings.role.url)
    await reaches(administrator, 1, Status=3)
    assert f"{package_id}.1" in distribution_points[0].packages


@pytest.mark.parametrize("refusal", [401, 422, 507])
async def test_a_refused_package_fails_in_the_end(
    start_site_server: Start,
    http: aiohttp.ClientSession,
    distribution_points: Points,
    source_folder: Path,
    refusal: int,
) -> None:
    server = await start_site_server(
        speed=FAST, others=(distribution_points[0].address,), role_class=FewRetries
    )
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP1'"))
    distribution_points[0].refuses_with = refusal
    package_id = await distribute(administrator, source_folder, 1)
    failed = await reaches(administrator, 1, Status=5)
    assert (failed["Attempts"], failed["LastError"][:8]) == (3, f"HTTP {refusal}")
    # expect: no attempt more, until somebody asks.
    await server.distribution_manager.work()
    assert len(distribution_points[0].requests) == 3
    distribution_points[0].refuses_with = None
    key = f"SMS_DistributionPoint(PackageID='{package_id}',ServerNALPath='{dp_nal(1)}')"
    await administrator.ask("PATCH", key, {"RefreshNow": True})
    await reaches(administrator, 1, Status=3)


async def test_a_frozen_distribution_point_is_given_up(
    start_site_server: Start, http: aiohttp.ClientSession, distribution_points: Points, source_folder: Path
) -> None:
    server = await start_site_server(others=(distribution_points[0].address,), link_timeout=0.2)
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP1'"))
    distribution_points[0].gate = asyncio.Event()
    (source_folder / "big").write_bytes(bytes(20_000_000))
    await distribute(administrator, source_folder, 1)
    assert "no progress" in (await reaches(administrator, 1, Status=4))["LastError"]
    distribution_points[0].gate.set()


async def test_a_missing_source_is_taken_when_it_appears(
    start_site_server: Start, http: aiohttp.ClientSession, distribution_points: Points, tmp_path: Path
) -> None:
    server = await start_site_server(speed=FAST, others=(distribution_points[0].address,))
    administrator = Administrator(http, server.settings.role.url)
    await until(lambda: administrator.all("SMS_SystemResourceList", filter="ServerName eq 'DP1'"))
    await distribute(administrator, tmp_path / "later", 1)
    await until(lambda: administrator.all("SMS_StatusMessage", filter="MessageID eq 2302"))
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.txt").write_text("a")
    await reaches(administrator, 1, Status=3)


async def test_removal_from_a_point_and_deletion_of_the_package(
    administrator: Administrator, distribution_points: Points, source_folder: Path, site_server: SiteServer
) -> None:
    package_id = await distribute(administrator, source_folder, 1, 2)
    await reaches(administrator, 1, Status=3)
    await reaches(administrator, 2, Status=3)
    key = f"SMS_DistributionPoint(PackageID='{package_id}',ServerNALPath='{dp_nal(1)}')"
    assert (await administrator.ask("DELETE", key))[0] == 204

    async def one_left() -> bool:
        return not distribution_points[0].packages and len(await administrator.all("SMS_PackageStatus")) == 1

    await until(one_left)
    # deleted while a distribution point is down: the package stays until its files are gone.
    distribution_points[1].gate = asyncio.Event()
    assert (await administrator.ask("DELETE", f"SMS_Package('{package_id}')"))[0] == 204
    going = await administrator.one(f"SMS_Package('{package_id}')")
    assert going["ActionInProgress"] == 3
    assert (await administrator.ask("PATCH", f"SMS_Package('{package_id}')", {"Name": "x"}))[0] == 409
    distribution_points[1].gate.set()

    async def gone() -> bool:
        return (await administrator.ask("GET", f"SMS_Package('{package_id}')"))[0] == 404

    await until(gone)
    assert not distribution_points[1].packages

    async def folder_gone() -> bool:
        return not list((site_server.settings.data / "package_source").iterdir())

    await until(folder_gone)


async def test_a_lost_snapshot_is_taken_again_only_if_the_source_is_the_same(
    administrator: Administrator, distribution_points: Points, source_folder: Path, site_server: SiteServer
) -> None:
    package_id = await distribute(administrator, source_folder, 1)
    await reaches(administrator, 1, Status=3)
    await site_server.distribution_manager.source.keep_only(package_id, None)
    (source_folder / "setup.exe").write_bytes(b"changed")
    await add_point(administrator, package_id, 2)
    assert "changed since version 1" in (await reaches(administrator, 2, Status=4))["LastError"]
    assert not distribution_points[1].packages
