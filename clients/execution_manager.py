"""ExecMgr: which advertised programs there are, and when each is run.

A program runs because a user asked or because an assigned time came. A run that lacks its
content waits on disk as a wish and runs once when the content arrives.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from clients.content_access import ContentAccess
from clients.identity import Identity
from clients.journal import Journal
from clients.manifest import ProgramManifest, read_manifest
from clients.messaging import Messaging
from clients.policy_agent import PolicyAgent
from clients.program_run import Program, ProgramRunner, facts_of
from clients.run_history import INTERRUPTED, RUNNING, SUCCEEDED, Run, RunHistory, may_rerun
from clients.settings import ClientSettings
from clients.status_agent import CACHE_TOO_SMALL, NO_CONTENT, WAITING_FOR_CONTENT, StatusAgent
from clients.wishes import Wish, Wishes
from emulator.clock import Clock
from emulator.errors import (
    CacheFull,
    CacheTooSmall,
    ConfigMgrError,
    ContentHashMismatch,
    DistributionPointUnavailable,
    MalformedMessage,
    ManagementPointUnavailable,
    NoContentLocation,
)
from emulator.protocol.schedule import latest_due, next_time, parse_schedule
from emulator.protocol.software_distribution import SoftwareDistributionPolicy

_BAD_FORMAT = 11  # Windows' ERROR_BAD_FORMAT: the package's manifest is not understood, and will not be
WILL_NOT_RERUN = "will_not_rerun"
# What keeps content away for now; anything else is a mistake and is not waited for.
_WAIT_FOR = (
    CacheFull,
    ManagementPointUnavailable,
    DistributionPointUnavailable,
    NoContentLocation,
    ContentHashMismatch,
)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of an attempt to run a program.

    ``state``: ran | waits_for_content | unknown | not_yet_active | expired |
    will_not_rerun | cache_too_small | no_content.
    """

    state: str
    advertisement_id: str
    exit_code: int | None = None
    run_id: str | None = None
    succeeded: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AdvertState:
    """One advertisement as the client sees it.

    ``state``: available | not_yet_active | expired | waits_for_content | running | retrying |
    succeeded | failed | interrupted.
    """

    policy: SoftwareDistributionPolicy
    state: str
    last_run: Run | None
    next_time: datetime | None  # of a mandatory program


class ExecutionManager:
    """Runs advertised programs."""

    def __init__(
        self,
        settings: ClientSettings,
        identity: Identity,
        policy_agent: PolicyAgent,
        content_access: ContentAccess,
        status_agent: StatusAgent,
        messaging: Messaging,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._policy_agent = policy_agent
        self._content_access = content_access
        self._status = status_agent
        self._clock = clock
        self._journal = journal
        self.history = RunHistory(settings.data / "run_history.jsonl")
        self._wishes = Wishes(settings.data / "executions.json", messaging)
        self._runner = ProgramRunner(
            settings, self.history, self._wishes, identity, status_agent, clock, journal
        )
        self._by_advertisement: dict[str, asyncio.Lock] = {}
        self._one_program = asyncio.Lock()  # the product runs one program at a time

    # -- what there is -------------------------------------------------------------

    def policies(self) -> dict[str, SoftwareDistributionPolicy]:
        """Software distribution policies in force, by advertisement id."""
        contents = (held.content for held in self._policy_agent.policies.values())
        return {c.advertisement_id: c for c in contents if isinstance(c, SoftwareDistributionPolicy)}

    @property
    def advertisements(self) -> dict[str, AdvertState]:
        """What the client detected, by advertisement id."""
        return {key: self._state(policy) for key, policy in self.policies().items()}

    @property
    def waiting(self) -> list[Wish]:
        """Runs that wait (for content, or to be taken up after a kill), oldest first."""
        return self._wishes.all()

    def _state(self, policy: SoftwareDistributionPolicy) -> AdvertState:
        key = policy.advertisement_id
        last = next((run for run in reversed(self.history.runs) if run.advertisement_id == key), None)
        if last is not None and last.result == RUNNING:
            state = RUNNING
        elif wish := self._wishes.of(key):
            state = "retrying" if wish.failed else "waits_for_content"
        elif last is not None:
            state = last.result
        else:
            state = self._out_of_time(policy) or "available"
        return AdvertState(policy, state, last, self._next_time(policy))

    def _out_of_time(self, policy: SoftwareDistributionPolicy) -> str | None:
        now = self._clock.now()
        if policy.expiration_time is not None and now >= policy.expiration_time:
            return "expired"
        return "not_yet_active" if now < policy.active_time else None

    def _next_time(self, policy: SoftwareDistributionPolicy) -> datetime | None:
        now = self._clock.now()
        if not policy.mandatory or self._out_of_time(policy) == "expired":
            return None
        if now < policy.active_time:
            return policy.active_time
        return next_time(parse_schedule(policy.assigned_schedule), now)

    def next_assigned_time(self) -> datetime | None:
        """When the next mandatory program is to run, as far as that is in the future."""
        times = [time for policy in self.policies().values() if (time := self._next_time(policy))]
        return min(times, default=None)

    # -- reasons to run ------------------------------------------------------------

    async def run(self, advertisement_id: str) -> RunOutcome:
        """A user starts an advertised program (an optional one, or a mandatory one early)."""
        policy = self.policies().get(advertisement_id)
        with self._journal.operation("run_program", advertisement_id=advertisement_id) as evidence:
            if policy is None:
                outcome = RunOutcome("unknown", advertisement_id, detail="no policy names this advertisement")
            elif refusal := self._refusal(policy):
                outcome = RunOutcome(refusal, advertisement_id)
            else:
                outcome = await self._attempt(self._wish(policy, None))
            evidence |= asdict(outcome)
        return outcome

    async def run_due(self) -> list[RunOutcome]:
        """Run every mandatory program whose assigned time has come, or was missed."""
        mandatory = [policy for policy in self.policies().values() if policy.mandatory]
        if not mandatory:
            return []
        looked_at = [policy.advertisement_id for policy in mandatory]
        with self._journal.operation("evaluate_programs", advertisements=looked_at):
            outcomes = [await self._run_if_due(policy) for policy in mandatory]
        return [outcome for outcome in outcomes if outcome is not None]

    async def _run_if_due(self, policy: SoftwareDistributionPolicy) -> RunOutcome | None:
        due = self._due(policy)
        if due is None:
            return None
        key = policy.advertisement_id
        with self._journal.operation("run_assigned_program", advertisement_id=key, due=due) as evidence:
            if refusal := self._refusal(policy):
                self._wishes.handle(key, due)
                outcome = RunOutcome(refusal, key)
            else:
                outcome = await self._attempt(self._wish(policy, due))
            evidence |= asdict(outcome)
        return outcome

    async def retry_waiting(self, *, only_due: bool = False) -> list[RunOutcome]:
        """Try again every run that waits (``only_due``: whose time to retry has come)."""
        now = self._clock.now()
        outcomes = []
        for wish in self._wishes.all():
            if only_due and _retry_time(wish) > now:
                continue
            key = wish.advertisement_id
            with self._journal.operation("run_waiting_program", advertisement_id=key) as evidence:
                outcome = await self._attempt(wish)
                evidence |= asdict(outcome)
            outcomes.append(outcome)
        return outcomes

    def next_retry(self) -> datetime | None:
        """When a waiting run is to be tried again."""
        return min(map(_retry_time, self._wishes.all()), default=None)

    async def prefetch(self) -> None:
        """Download the content of mandatory programs before their time; failures wait for it."""
        for policy in self.policies().values():
            active = self._out_of_time(policy) is None and self._next_time(policy) is not None
            if active and policy.contains_source_files and not self._refusal(policy):
                try:
                    await self._content_access.download(policy)
                except (CacheTooSmall, *_WAIT_FOR) as exc:
                    self._journal.note("prefetch_failed", package_id=policy.package_id, seen=str(exc))

    def _due(self, policy: SoftwareDistributionPolicy) -> datetime | None:
        """The latest assigned time that has come and was not dealt with yet."""
        if not policy.mandatory or self._out_of_time(policy):
            return None
        due: datetime | None = policy.active_time  # without a schedule: as soon as possible
        if policy.assigned_schedule:
            due = latest_due(parse_schedule(policy.assigned_schedule), self._clock.now())
        if due is None or self._wishes.is_handled(policy.advertisement_id, due):
            return None
        return due

    def _refusal(self, policy: SoftwareDistributionPolicy) -> str | None:
        if out_of_time := self._out_of_time(policy):
            return out_of_time
        # Rerun behaviour is about assignments; a user may run an optional program again.
        if policy.mandatory and not self._may_run(policy):
            return WILL_NOT_RERUN
        return None

    def _may_run(self, policy: SoftwareDistributionPolicy) -> bool:
        return may_rerun(policy.rerun, self.history.last(policy.package_id, policy.program_name))

    def _wish(self, policy: SoftwareDistributionPolicy, due: datetime | None) -> Wish:
        assigned = due.isoformat() if due else None
        now = self._clock.now().isoformat()
        return self._wishes.make(Wish(self._identity.new_id(), policy.advertisement_id, now, assigned), due)

    # -- one attempt ---------------------------------------------------------------

    async def _attempt(self, wish: Wish) -> RunOutcome:
        key = wish.advertisement_id
        async with self._by_advertisement.setdefault(key, asyncio.Lock()):
            current = self._wishes.get(wish.wanted_id)
            if current is None:  # somebody else fulfilled it while this one waited for the lock
                run = self.history.of_wanted(wish.wanted_id)
                return _ran(run) if run else RunOutcome("unknown", key, detail="no longer wanted")
            policy = self.policies().get(key)
            if policy is None or self._out_of_time(policy) == "expired":
                await self._wishes.change(current, None)
                return RunOutcome("unknown" if policy is None else "expired", key)
            try:
                program = await self._program(policy)
            except (CacheTooSmall, *_WAIT_FOR) as exc:
                return await self._without_content(current, policy, exc)
            async with self._one_program:
                # While this one waited, another advertisement of the same program may have run it.
                if policy.mandatory and not self._may_run(policy):
                    await self._wishes.change(current, None)
                    return RunOutcome(WILL_NOT_RERUN, key)
                return _ran(await self._runner.run(current, program))

    async def _program(self, policy: SoftwareDistributionPolicy) -> Program:
        """What is to run, its content here and verified."""
        if not policy.contains_source_files:
            return Program(policy, ProgramManifest(), "")
        package = await self._content_access.download(policy)
        try:
            return Program(policy, read_manifest(package.folder, policy.program_name), package.source_hash)
        except MalformedMessage as exc:
            return Program(policy, ProgramManifest(exit_code=_BAD_FORMAT), package.source_hash, str(exc))

    async def _without_content(
        self, wish: Wish, policy: SoftwareDistributionPolicy, error: ConfigMgrError
    ) -> RunOutcome:
        key, facts = wish.advertisement_id, facts_of(policy)
        if isinstance(error, CacheTooSmall):
            await self._wishes.change(wish, None, self._status.compose(CACHE_TOO_SMALL, facts))
            return RunOutcome("cache_too_small", key, detail=str(error))
        full = wish.cache_full + isinstance(error, CacheFull)
        if full > self._settings.cache_full_retry_count:
            await self._wishes.change(wish, None, self._status.compose(NO_CONTENT, facts))
            return RunOutcome("no_content", key, detail=str(error))
        pause = self._settings.content_retry_interval
        if isinstance(error, CacheFull):
            pause = self._settings.cache_full_retry_interval
        again = datetime.fromtimestamp(self._clock.time() + pause, UTC).isoformat()
        messages = [] if wish.announced else [self._status.compose(WAITING_FOR_CONTENT, facts)]
        await self._wishes.change(
            wish, replace(wish, announced=True, cache_full=full, not_before=again), *messages
        )
        return RunOutcome("waits_for_content", key, detail=str(error))

    # -- after a kill --------------------------------------------------------------

    async def recover(self) -> None:
        """Finish what an earlier life of this client left; called once, at start.

        A run without an end was interrupted; rerun behaviour says whether it is wanted again.
        """
        await self._wishes.recover()
        for wish in self._wishes.all():
            run = self._runner.end_of(wish)
            if run is None:
                continue
            self._journal.note("run_recovered", run_id=run.run_id, result=run.result)
            policy = self.policies().get(wish.advertisement_id)
            again = None
            if run.result == INTERRUPTED and policy is not None and may_rerun(policy.rerun, run):
                again = replace(wish, wanted_id=self._identity.new_id(), not_before=None)
            await self._wishes.change(wish, again, self._runner.ended(run))


def _retry_time(wish: Wish) -> datetime:
    return datetime.fromisoformat(wish.not_before or wish.since)


def _ran(run: Run) -> RunOutcome:
    return RunOutcome(
        "ran", run.advertisement_id, run.exit_code, run.run_id, run.result == SUCCEEDED, run.detail
    )
