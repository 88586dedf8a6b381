"""Policy provider (policypv): makes policies of advertisements and settings, assignments of collections.

An advertisement becomes a policy once its program can run: its package has no source files, or
they are installed on at least one distribution point in the package's newest version. Until then a
policy made earlier stays as it is, so that clients keep a version whose files exist. A change of
advertisement, program or package makes the next version; a deleted advertisement withdraws its policy.

A client whose inventory reports have a gap is asked for everything again (resync) by a policy
of its own, which is withdrawn when the full report has come.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from emulator.errors import MalformedMessage
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import policy_hash
from emulator.protocol.resync import RESYNC_CATEGORY, InventoryResyncPolicy
from emulator.protocol.schedule import ScheduleToken
from emulator.protocol.software_distribution import CATEGORY, SoftwareDistributionPolicy
from emulator.site_database.database import Record
from emulator.site_server import policy_publication
from emulator.site_server.component import Component, SiteServerPart
from emulator.site_server.policy_publication import Source
from emulator.site_server.site_policies import SitePolicies
from emulator.site_server.sms_advertisement import RERUN

IMMEDIATE, ON_USER_LOGON, ON_USER_LOGOFF = 0x20, 0x200, 0x400  # AdvertFlags
DISABLED, NO_USER_LOGGED_IN = 0x1000, 0x20000  # ProgramFlags
PERSIST_IN_CACHE = 0x02000000  # PkgFlags
DIRECT_SOURCE = 2  # PkgSourceFlag


class PolicyProvider(Component):
    """Keeps policies and their targets what advertisements and collections say."""

    log_name = "policypv"
    tables = frozenset(
        {
            "programoffers",
            "pkgprograms",
            "smspackages",
            "pkgstatus",
            "collectionmembers",
            "workstationstatus_data",
        }
    )

    def __init__(self, role: SiteServerPart) -> None:
        super().__init__(role)
        self.site_policies = SitePolicies(self.database, self.settings, self.clock)

    async def work(self) -> float | None:
        await self.site_policies.publish()
        advertised = set()
        for row in await self.database.fetch("policypv_advertisements"):
            if may_be_advertised(row):
                advertised.add(row["offerid"])
                await self._advertise(row)
        await self._withdraw_all_but(advertised, CATEGORY)
        await self._request_inventories()
        return None

    # -- advertisements ------------------------------------------------------------

    async def _advertise(self, row: Record) -> None:
        source = Source(row["offerid"], CATEGORY, self.settings.site_code)
        try:
            if stands(row, self.settings.site_code):
                return
            async with self.database.transaction() as session:
                if row["ready"]:
                    published = await policy_publication.publish(
                        session,
                        source,
                        lambda policy: policy_of(row).to_body(policy, self.settings.site_code),
                        self.clock.now(),
                    )
                else:
                    earlier = await policy_publication.current(session, source)
                    if earlier is None:
                        return
                    published = earlier
                await policy_publication.target(session, published, row["collectionid"])
        except (MalformedMessage, ValueError) as exc:
            # One advertisement that no policy can hold must not keep the others from clients.
            self.log.error("no policy", advertisement=row["offerid"], reason=str(exc))
            return
        if published.new:
            self.log.info("published", advertisement=row["offerid"], policy=published.policy.to_query())

    async def _withdraw_all_but(self, wanted: set[str], category: str) -> None:
        for row in await self.database.fetch("policypv_published", category):
            if row["sourceid"] not in wanted:
                async with self.database.transaction() as session:
                    await policy_publication.withdraw(session, row["padbid"], self.clock.now())
                self.log.info("withdrawn", source=row["sourceid"])

    # -- resync --------------------------------------------------------------------

    async def _request_inventories(self) -> None:
        wanted = set()
        for row in await self.database.fetch("policypv_resync_requests"):
            for column, action in (("resyncrequested", "Hardware"), ("swresyncrequested", "Software")):
                if row[column]:
                    wanted.add(await self._request_inventory(row["machineid"], action))
        await self._withdraw_all_but(wanted, RESYNC_CATEGORY)

    async def _request_inventory(self, machine: int, action: str) -> str:
        source = Source(f"RESYNC:{machine}:{action}", RESYNC_CATEGORY, self.settings.site_code)
        async with self.database.transaction() as session:
            if await policy_publication.current(session, source) is None:
                now = self.clock.now()
                request = InventoryResyncPolicy(action, now)
                published = await policy_publication.publish(
                    session, source, lambda policy: request.to_body(policy, self.settings.site_code), now
                )
                await session.execute("policypv_map_machine", published.assignment, machine)
                self.log.info("resync requested", machine=machine, action=action)
        return source.source_id


def stands(row: Record, site_code: str) -> bool:
    """Is everything about an advertisement published already? Most are at most passes: one look for all.

    Raises:
        MalformedMessage, ValueError: no policy can hold the advertisement.
    """
    if row["padbid"] is None or row["istombstoned"]:
        return not bool(row["ready"])
    if row["targetsdiffer"]:
        return False
    if not row["ready"]:
        return True
    held = PolicyVersion(row["heldid"], row["heldversion"])
    return hash_of(policy_of(row), held, site_code) == str(row["heldhash"])


@lru_cache(maxsize=4096)
def hash_of(policy: SoftwareDistributionPolicy, version: PolicyVersion, site_code: str) -> str:
    """The hash of a policy's body. Asked for every advertisement at each pass, and nearly always the same."""
    return policy_hash(policy.to_body(version, site_code))


def may_be_advertised(row: Record) -> bool:
    """A disabled program is not advertised, nor one whose flags contradict the advertisement's."""
    if row["programflags"] & DISABLED:
        return False
    waits_for_logoff = bool(row["advertflags"] & ON_USER_LOGOFF)
    return not waits_for_logoff or bool(row["programflags"] & NO_USER_LOGGED_IN)


def policy_of(row: Record) -> SoftwareDistributionPolicy:
    """The policy that an advertisement with its program and package makes."""
    schedule = _schedule(row["advertflags"], row["presenttime"], row["assignedschedule"])
    on_user = row["advertflags"] & (ON_USER_LOGON | ON_USER_LOGOFF)
    rerun = [name for bit, name in RERUN.items() if row["remoteclientflags"] & bit]
    has_source = row["pkgsourceflag"] == DIRECT_SOURCE
    return SoftwareDistributionPolicy(
        advertisement_id=row["offerid"],
        package_id=row["pkgid"],
        package_name=row["packagename"],
        package_version=row["sourceversion"],
        content_size=row["sourcesize"] if has_source else 0,
        source_hash=row["pkgsourcehash"] if has_source else "",
        contains_source_files=has_source,
        program_name=row["programname"],
        command_line=row["commandline"],
        mandatory=bool(schedule or on_user),
        active_time=row["presenttime"].astimezone(UTC),
        expiration_time=row["expirationtime"],
        assigned_schedule=schedule,
        rerun=rerun[0] if rerun else "RerunIfFail",
        persist_in_cache=bool(row["pkgflags"] & PERSIST_IN_CACHE),
        max_duration_minutes=row["duration"],
        dependent_program=row["dependentprogram"],
    )


def _schedule(advert_flags: int, present_time: datetime, assigned: str) -> str:
    """IMMEDIATE is a token of its own: once, when the advertisement is presented."""
    if advert_flags & IMMEDIATE:
        return ScheduleToken(present_time).to_text() + assigned
    return assigned
