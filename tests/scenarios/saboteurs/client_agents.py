"""Clients that break one promise each."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from clients.client import SimulatedClient
from clients.content_access import ContentAccess
from clients.content_cache import CachedPackage
from clients.execution_manager import ExecutionManager
from clients.manifest import ProgramManifest
from clients.messaging import Messaging, SendResult
from clients.policy_agent import AssignmentsResult, BodiesResult, PolicyAgent
from clients.program_run import Program
from emulator.errors import ConfigMgrError, ManagementPointUnavailable
from emulator.protocol.policy import AssignedPolicy, PolicyVersion
from emulator.protocol.schedule import latest_due, parse_schedule
from emulator.protocol.software_distribution import SoftwareDistributionPolicy
from emulator.site import Site
from emulator.site_database.database import SiteDatabase


def _become(part: object, kind: type) -> None:
    """Replace a part's class, keeping what it holds."""
    part.__class__ = kind


class _RunsAnyhow(ExecutionManager):
    async def _program(self, policy: SoftwareDistributionPolicy) -> Program:
        try:
            return await super()._program(policy)
        except ConfigMgrError as exc:
            return Program(policy, ProgramManifest(), "", str(exc))


class RunsWithoutContent(SimulatedClient):
    """Runs a program whose files it has not got."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.execution_manager, _RunsAnyhow)


class _NeverLooksInTheCache(ContentAccess):
    async def verified(self, policy: SoftwareDistributionPolicy) -> CachedPackage | None:
        package = await super().verified(policy)
        if package:
            self.cache.remove(package, "never trusted")
        return None


class NeverUsesItsCache(SimulatedClient):
    """Downloads content again each time, although it has it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.content_access, _NeverLooksInTheCache)


class ForgetsItsQueue(SimulatedClient):
    """What it owed when it was killed is gone when it starts again."""

    async def start(self) -> None:
        await super().start()
        for entry in self.messaging._spool.entries():
            self.messaging._spool.remove(entry)


class _GivesUp(Messaging):
    async def flush(self) -> SendResult:
        result = await super().flush()
        if result.last_error:
            for entry in self._spool.entries():
                self._spool.remove(entry)
        return result


class ThrowsReportsAway(SimulatedClient):
    """A report that cannot be sent at once is thrown away."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.messaging, _GivesUp)


class _DropsPolicies(PolicyAgent):
    async def request_assignments(self, *, full: bool = False) -> AssignmentsResult:
        try:
            return await super().request_assignments(full=full)
        except ManagementPointUnavailable:
            self._store.replace({}, "")
            raise


class ForgetsPolicies(SimulatedClient):
    """Drops every policy when a request for assignments is refused."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.policy_agent, _DropsPolicies)


class _ReadsTheDatabase(PolicyAgent):
    dsn = ""

    async def request_assignments(self, *, full: bool = False) -> AssignmentsResult:
        try:
            return await super().request_assignments(full=full)
        except ManagementPointUnavailable:
            new = {}
            for policy_id, version, digest, assignment in await self._rows(
                "SELECT p.PolicyID, p.Version, p.PolicyHash, a.PolicyAssignmentID FROM ResPolicyMap m"
                " JOIN PolicyAssignment a USING (PADBID) JOIN Policy p USING (PolicyID, Version)"
                " JOIN System_DISC s ON s.ItemKey = m.MachineID WHERE s.SMS_Unique_Identifier0 = $1",
                self._identity.smsid,
            ):
                policy = PolicyVersion(policy_id, version)
                new[policy_id] = AssignedPolicy(
                    assignment_id=assignment,
                    policy=policy,
                    category="SoftwareDistribution",
                    policy_type="Machine",
                    flags=0,
                    priority=25,
                    policy_hash=digest,
                    condition=None,
                )
            self._store.replace(new, self._store.cookie)
            return AssignmentsResult("Full", tuple(new.values()), ())

    async def download_bodies(self) -> BodiesResult:
        result = await super().download_bodies()
        for assigned in self.to_download:
            rows = await self._rows("SELECT Body FROM Policy WHERE PolicyID = $1", assigned.policy.policy_id)
            self._store.keep_body(assigned.policy, bytes(rows[0][0]))
        return result

    async def _rows(self, query: str, *args: object) -> list[Any]:
        database = SiteDatabase(self.dsn)
        await database.open()
        try:
            return await database.fetch(query, *args)
        finally:
            await database.close()


class ReadsPolicyBehindTheManagementPoint(SimulatedClient):
    """Finds its policies in the site database when the management point is away."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.policy_agent, _ReadsTheDatabase)
        self.policy_agent.dsn = SiteThatTalks.talked  # type: ignore[attr-defined]


class SiteThatTalks(Site):
    """Tells clients where the site database is."""

    talked: ClassVar[str] = ""

    async def start(self) -> None:
        await super().start()
        SiteThatTalks.talked = self.dsn


class _LikesTheFirstVersion(PolicyAgent):
    first: dict[str, tuple[PolicyVersion, bytes]]

    async def download_bodies(self) -> BodiesResult:
        result = await super().download_bodies()
        for policy_id, held in list(self.policies.items()):
            version, body = self.first.setdefault(policy_id, (held.policy, held.body))
            if version != held.policy:
                self._note_in_force(self._store.keep_body(version, body), self.assignments[policy_id])
        return result


class GoesBackToOlderPolicies(SimulatedClient):
    """Keeps to the first version of each policy it ever had, whatever is assigned later."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.policy_agent, _LikesTheFirstVersion)
        self.policy_agent.first = {}  # type: ignore[attr-defined]


class _TrustsItsDisk(ContentAccess):
    async def verified(self, policy: SoftwareDistributionPolicy) -> CachedPackage | None:
        return self.cached(policy.package_id, policy.package_version, policy.source_hash)


class RunsWhatLiesThere(SimulatedClient):
    """Runs what lies in its cache without looking at it again."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.content_access, _TrustsItsDisk)


class _NeverHasEnough(ExecutionManager):
    def _due(self, policy: SoftwareDistributionPolicy) -> datetime | None:
        return latest_due(parse_schedule(policy.assigned_schedule), self._clock.now())

    def _may_run(self, policy: SoftwareDistributionPolicy) -> bool:
        return True


class RunsAgainAndAgain(SimulatedClient):
    """Runs a mandatory program each time it looks, whatever its rerun behaviour is."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _become(self.execution_manager, _NeverHasEnough)
