"""ContentAccess (CAS): content from the cache, else from a distribution point, always verified.

Nothing gets into the cache whose hash is not PKG_SourceHash of the policy, and the hash of
what lies there is checked once more before each use.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from clients.content_cache import CachedPackage, ContentCache, ContentKey
from clients.download import ContentRequest, Download
from clients.journal import Journal
from clients.location_services import LocationServices
from clients.settings import ClientSettings
from clients.transport import Transport, seen
from emulator.errors import (
    ContentHashMismatch,
    DistributionPointUnavailable,
    NoContentLocation,
)
from emulator.protocol.content import hash_folder
from emulator.protocol.software_distribution import SoftwareDistributionPolicy


def content_key(policy: SoftwareDistributionPolicy) -> ContentKey:
    """Which content a policy's program needs."""
    return ContentKey(policy.package_id, policy.package_version, policy.source_hash)


class ContentAccess:
    """Brings content to the client."""

    def __init__(
        self,
        settings: ClientSettings,
        cache: ContentCache,
        location_services: LocationServices,
        transport: Transport,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self.cache = cache
        self._location_services = location_services
        self._transport = transport
        self._journal = journal
        self._locks: dict[ContentKey, asyncio.Lock] = {}
        self.requests: list[ContentRequest] = []  # every GET of a file, in order
        self._going = asyncio.Event()
        self._going.set()

    def suspend(self) -> None:
        """Ask for nothing more until ``resume``, as a suspended BITS job; a request under way is ended."""
        self._going.clear()

    def resume(self) -> None:
        """Go on with downloads that were suspended."""
        self._going.set()

    def cached(self, package_id: str, version: int, source_hash: str) -> CachedPackage | None:
        """The package with this id, version and hash, if it is in the cache; asks nobody."""
        return self.cache.get(ContentKey(package_id, version, source_hash))

    def progress(self, package_id: str) -> tuple[int, int]:
        """Bytes that are here and bytes there are; (0, 0) before anything is known of the package."""
        for staging in self.cache.stagings():
            if staging.name.startswith(f"{package_id}."):
                download = self._download(staging)
                return download.done, download.total
        sizes = [package.size for package in self.cache.packages() if package.package_id == package_id]
        return (sizes[-1], sizes[-1]) if sizes else (0, 0)

    def _download(self, staging: Path) -> Download:
        rate = self._settings.bits_bytes_per_second
        return Download(staging, self._transport, self.requests, rate, self._going)

    async def verified(self, policy: SoftwareDistributionPolicy) -> CachedPackage | None:
        """The content of a policy from the cache, its hash checked now; None if it is not there.

        Content that has changed since it was downloaded is thrown out.
        """
        package = self.cache.get(content_key(policy))
        if package is None:
            return None
        digest, _ = await asyncio.to_thread(hash_folder, package.folder)
        self._journal.note(
            "content_verified",
            package_id=package.package_id,
            version=package.version,
            announced=policy.source_hash,
            found=digest,
        )
        if digest != policy.source_hash:
            self.cache.remove(package, f"it hashes to {digest} now")
            return None
        return self.cache.touch(package)

    async def download(self, policy: SoftwareDistributionPolicy) -> CachedPackage:
        """The content of a policy: from the cache, or downloaded, or the rest of it downloaded.

        Raises:
            CacheTooSmall, CacheFull: there is no room for it.
            ManagementPointUnavailable: nobody says where it is.
            NoContentLocation: it is nowhere.
            DistributionPointUnavailable: every place failed, or the disk did; what has arrived is kept.
            ContentHashMismatch: what arrived is not what the policy announced; it is thrown away.
        """
        try:
            return await self._obtain(policy)
        except OSError as exc:
            # A full disk passes as an outage does, wherever in the work it is met: it is tried again.
            raise DistributionPointUnavailable(f"the content cannot be kept: {seen(exc)}") from exc

    async def _obtain(self, policy: SoftwareDistributionPolicy) -> CachedPackage:
        key = content_key(policy)
        async with self._locks.setdefault(key, asyncio.Lock()):
            cached = await self.verified(policy)
            if cached is not None:
                return cached
            self.cache.make_room(key, policy.content_size)
            reply = await self._location_services.content_locations(policy.package_id, policy.package_version)
            if not reply.locations:
                raise NoContentLocation(
                    f"no distribution point has {policy.package_id} version {policy.package_version}"
                )
            failure: DistributionPointUnavailable | ContentHashMismatch | None = None
            for location in reply.locations:
                try:
                    return await self._download_from(location.url, policy, key)
                except (DistributionPointUnavailable, ContentHashMismatch) as exc:
                    failure = exc  # the next place in the list, at once
            assert failure is not None
            raise failure

    async def _download_from(
        self, url: str, policy: SoftwareDistributionPolicy, key: ContentKey
    ) -> CachedPackage:
        staging = self.cache.staging(key)
        staging.mkdir(parents=True, exist_ok=True)
        download = self._download(staging)
        with self._journal.operation(
            "download_content",
            url=url,
            package_id=policy.package_id,
            version=policy.package_version,
            started_at_byte=download.done,
        ) as evidence:
            try:
                await download.run(url)
            finally:
                evidence |= {"bytes_done": download.done, "bytes_total": download.total}
            digest, files = await asyncio.to_thread(hash_folder, download.content)
            evidence["hash"] = digest
            if digest != policy.source_hash:
                shutil.rmtree(staging, ignore_errors=True)
                raise ContentHashMismatch(
                    f"{policy.package_id} from {url} hashes to {digest}, the policy says {policy.source_hash}"
                )
            return self.cache.publish(key, sum(file.size for file in files), policy.persist_in_cache)
