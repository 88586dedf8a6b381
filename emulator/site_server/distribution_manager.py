"""Distribution Manager (distmgr): brings packages to distribution points, and takes them away.

A pass first takes a snapshot of every package whose source has a new version, then starts what
is missing: a transfer for each distribution point that shall hold a package and does not hold its
stored version, a removal for each that shall not. What is wanted (PkgServers) and how far it is
(PkgStatus) stand in the database, so a site server that died in a transfer begins it again.

A distribution point that cannot be reached is tried 100 times, 30 minutes apart (the product's
defaults), then the transfer has failed until RefreshNow or a new version asks again. A removal is tried
for ever: a package that is being deleted must end.

The version before the newest stays on the distribution point, for clients in the middle of
downloading it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from emulator.errors import DistributionPointUnavailable, SiteDatabaseUnavailable
from emulator.site_database.database import Record
from emulator.site_server.component import Component, SiteServerPart
from emulator.site_server.package_source import PackageSource, SourceUnreadable
from emulator.site_server.package_transfer import PackageTransfer
from emulator.site_server.site_status import (
    DISTRIBUTION_POINT,
    ERROR,
    PACKAGE,
    PACKAGE_VERSION,
    WARNING,
    SiteStatus,
)

RETRY, FAILED, PENDING_REMOVE = 4, 5, 7  # PkgStatus.Status
REMOVE = 3  # PkgServers.Action
NO_SOURCE = 1  # PkgSourceFlag
OLD_VERSIONS = 5  # how far back leftovers are looked for on a distribution point
HASH_REFUSED = 422


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """The Distribution Point tab of the software distribution properties."""

    attempts: int = 100
    seconds: float = 30 * 60.0  # site time between them
    threads: int = 15  # transfers at a time: 3 packages, 5 threads each


class DistributionManager(Component):
    """Starts transfers and records how they end."""

    log_name = "distmgr"
    tables = frozenset({"smspackages", "pkgservers", "sysreslist"})

    def __init__(
        self,
        role: SiteServerPart,
        source: PackageSource,
        transfer: PackageTransfer,
        retry: RetrySettings | None = None,
    ) -> None:
        super().__init__(role)
        self.source = source
        self.transfer = transfer
        self.retry = retry or RetrySettings()
        self.status = SiteStatus(role, "SMS_DISTRIBUTION_MANAGER")
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._threads = asyncio.Semaphore(self.retry.threads)
        self._source_due: dict[tuple[str, int], datetime] = {}  # sources that could not be read

    async def run(self) -> None:
        self.transfer.open()
        try:
            await super().run()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await self.transfer.close()

    async def work(self) -> float | None:
        due = [
            await self._store_package(row) for row in await self.database.fetch("distmgr_packages_to_store")
        ]
        for row in await self.database.fetch("distmgr_transfers"):
            due.append(self._begin(row))
        for row in await self.database.fetch("distmgr_packages_to_delete"):
            await self._delete_package(row["pkgid"])
        return min((seconds for seconds in due if seconds is not None), default=None)

    # -- the source folder ---------------------------------------------------------

    async def _store_package(self, row: Record) -> float | None:
        """Take the snapshot of a new source version; returns when to try again, if it failed."""
        package_id, version = row["pkgid"], row["sourceversion"]
        waits = self._seconds_until(self._source_due.get((package_id, version)))
        if waits > 0:
            return waits
        strings, attributes = [row["name"], package_id], {PACKAGE: package_id, PACKAGE_VERSION: str(version)}
        async with self.database.transaction() as session:
            await self.status.report(session, 2300, strings, attributes)
        package_hash, size = "", 0
        if row["pkgsourceflag"] != NO_SOURCE:
            try:
                snapshot = await self.source.take(package_id, version, Path(row["source"]))
            except SourceUnreadable as exc:
                self.log.error("package not processed", package=package_id, reason=str(exc))
                async with self.database.transaction() as session:
                    await self.status.report(session, 2302, [*strings, str(exc)], attributes, ERROR)
                later = self.clock.now() + timedelta(seconds=self.retry.seconds)
                self._source_due = {(package_id, version): later}
                return self.retry.seconds
            package_hash, size = snapshot.package_hash, snapshot.size
        async with self.database.transaction() as session:
            await session.execute("distmgr_stored", package_id, version, package_hash, size)
            await session.execute("distmgr_new_version_to_send", package_id, self.clock.now())
            await self.status.report(session, 2311, strings, attributes)
            await self.status.report(session, 2301, strings, attributes)
        await self.source.keep_only(package_id, version)
        self.log.info("package processed", package=package_id, version=version, bytes=size)
        return None

    async def _snapshot(self, row: Record) -> Path:
        """The stored version's files; taken anew when the site server lost them.

        Raises:
            SourceUnreadable: the source is gone, or is no longer what was stored.
        """
        package_id, version = row["pkgid"], row["storedpkgversion"]
        kept = await self.source.find(package_id, version)
        if kept:
            return kept
        snapshot = await self.source.take(package_id, version, Path(row["source"]))
        if snapshot.package_hash != row["pkgsourcehash"]:
            await self.source.keep_only(package_id, None)
            raise SourceUnreadable(f"{row['source']}: the files changed since version {version} was stored")
        return snapshot.folder

    # -- transfers -----------------------------------------------------------------

    def _begin(self, row: Record) -> float | None:
        """Start what a row asks for, unless it runs, is given up, or has to wait: then how long."""
        place = (row["pkgid"], row["nalpath"])
        if place in self._running or (row["status"] == FAILED and row["action"] != REMOVE):
            return None
        if row["status"] in (RETRY, PENDING_REMOVE) and row["attempts"]:
            waits = self._seconds_until(row["updatetime"] + timedelta(seconds=self.retry.seconds))
            if waits > 0:
                return waits
        job = self._remove if row["action"] == REMOVE else self._send
        task = asyncio.create_task(self._thread(place, job, row), name=f"distmgr {place}")
        self._running[place] = task
        return None

    async def _thread(
        self, place: tuple[str, str], job: Callable[[Record], Awaitable[None]], row: Record
    ) -> None:
        """One thread of the distribution manager."""
        with self.clock.at_work():
            await self._do(place, job, row)

    async def _do(
        self, place: tuple[str, str], job: Callable[[Record], Awaitable[None]], row: Record
    ) -> None:
        try:
            async with self._threads:
                await job(row)
        except SiteDatabaseUnavailable as exc:
            # How it ended is not recorded, so the next pass begins it again.
            self.log.warning("waiting for the site database", place=place, reason=str(exc))
            await self.pause(self.retry_seconds)
        except Exception:
            self.log.exception("the thread failed; the work is begun again", place=place)
            await self.pause(self.retry_seconds)
        finally:
            del self._running[place]
            self.wake()

    async def _send(self, row: Record) -> None:
        package_id, nal_path, version = row["pkgid"], row["nalpath"], row["storedpkgversion"]
        strings = [row["name"], package_id, nal_path]
        attributes = {PACKAGE: package_id, DISTRIBUTION_POINT: nal_path, PACKAGE_VERSION: str(version)}
        async with self.database.transaction() as session:
            started = await session.execute("distmgr_sending", package_id, nal_path, self.clock.now())
            if started.endswith(" 0"):
                return  # to be removed, since
            await self.status.report(session, 2342, strings, attributes)
        try:
            url = self._url_of(row)
            await self.transfer.send(
                f"{url}/SMSPKG/{package_id}.{version}", await self._snapshot(row), row["pkgsourcehash"]
            )
        except (DistributionPointUnavailable, SourceUnreadable, OSError) as exc:
            await self._failed(row, exc, strings, attributes)
            return
        async with self.database.transaction() as session:
            http_url = f"{row['url'].rstrip('/')}/SMS_DP_SMSPKG$/{package_id}.{version}"
            now = self.clock.now()
            await session.execute("distmgr_installed", package_id, nal_path, version, http_url, now)
            await session.execute("distmgr_server_done", package_id, nal_path, row["refreshtrigger"], now)
            await self.status.report(session, 2330, strings, attributes)
        self.log.info("installed", package=package_id, version=version, distribution_point=row["servername"])
        await self._remove_old_versions(url, package_id, version)

    async def _failed(
        self, row: Record, error: Exception, strings: list[str], attributes: dict[int, str]
    ) -> None:
        package_id, nal_path = row["pkgid"], row["nalpath"]
        if isinstance(error, DistributionPointUnavailable) and error.status == HASH_REFUSED:
            await self.source.keep_only(package_id, None)  # the copy here is damaged; take another
        tried = row["attempts"] + 1
        status = FAILED if tried >= self.retry.attempts else RETRY
        self.log.warning(
            "not installed", package=package_id, distribution_point=nal_path, attempt=tried, reason=str(error)
        )
        async with self.database.transaction() as session:
            now = self.clock.now()
            await session.execute("distmgr_failed", package_id, nal_path, str(error), status, now)
            severity = ERROR if status == FAILED else WARNING
            await self.status.report(session, 2328, [*strings, str(error)], attributes, severity)

    async def _remove_old_versions(self, url: str, package_id: str, version: int) -> None:
        for old in range(max(1, version - 1 - OLD_VERSIONS), version - 1):
            try:
                await self.transfer.remove(f"{url}/SMSPKG/{package_id}.{old}")
            except DistributionPointUnavailable as exc:
                self.log.warning("an old version stays", package=package_id, version=old, reason=str(exc))

    async def _remove(self, row: Record) -> None:
        package_id, nal_path = row["pkgid"], row["nalpath"]
        try:
            for version in range(1, max(row["sourceversion"], row["installedversion"]) + 1):
                await self.transfer.remove(f"{self._url_of(row)}/SMSPKG/{package_id}.{version}")
        except DistributionPointUnavailable as exc:
            self.log.warning("not removed", package=package_id, distribution_point=nal_path, reason=str(exc))
            await self.database.execute(
                "distmgr_failed", package_id, nal_path, str(exc), PENDING_REMOVE, self.clock.now()
            )
            return
        await self.database.execute("distmgr_removed", package_id, nal_path)
        self.log.info("removed", package=package_id, distribution_point=nal_path)

    async def _delete_package(self, package_id: str) -> None:
        await self.database.execute("distmgr_delete_package", package_id)
        await self.source.keep_only(package_id, None)
        self.log.info("package deleted", package=package_id)

    # -- small things --------------------------------------------------------------

    def _seconds_until(self, time: datetime | None) -> float:
        """How long to wait for a retry; a time that is further off was written by a clock that was ahead."""
        waits = (time - self.clock.now()).total_seconds() if time else 0.0
        return waits if waits <= self.retry.seconds else 0.0

    def _url_of(self, row: Record) -> str:
        """Where the site server reaches a distribution point; clients may reach it elsewhere."""
        if not row["url"]:
            raise DistributionPointUnavailable(f"no site system answers to {row['nalpath']}")
        points = self.settings.of_kind("distribution_point")
        return next((p.url for p in points if p.public_url == row["url"]), str(row["url"]).rstrip("/"))
