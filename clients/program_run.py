"""One run of one program: recorded, told, waited for, recorded again.

Nothing is executed: a run lasts and ends as the package's manifest says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from clients.identity import Identity
from clients.journal import Journal
from clients.manifest import ProgramManifest
from clients.messaging import QueuedMessage
from clients.run_history import FAILED, INTERRUPTED, RUNNING, SUCCEEDED, Run, RunHistory
from clients.settings import ClientSettings
from clients.status_agent import (
    PROGRAM_FAILED,
    PROGRAM_INTERRUPTED,
    PROGRAM_STARTED,
    PROGRAM_SUCCEEDED,
    StatusAgent,
)
from clients.wishes import Wish, Wishes
from emulator.clock import Clock
from emulator.protocol.software_distribution import SoftwareDistributionPolicy

_REBOOT_CODES = {1604, 1641, 3010, 3011}  # the product's default RebootReturnCodes
_LONGEST_MINUTES = 720  # what an unknown maximum run time counts as
_EVENT_OF = {SUCCEEDED: PROGRAM_SUCCEEDED, FAILED: PROGRAM_FAILED, INTERRUPTED: PROGRAM_INTERRUPTED}


@dataclass(frozen=True, slots=True)
class Program:
    """What is about to run."""

    policy: SoftwareDistributionPolicy
    manifest: ProgramManifest
    content_hash: str  # "" without source files
    detail: str = ""


class ProgramRunner:
    """Runs programs and remembers it."""

    def __init__(
        self,
        settings: ClientSettings,
        history: RunHistory,
        wishes: Wishes,
        identity: Identity,
        status: StatusAgent,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self.history = history
        self._wishes = wishes
        self._identity = identity
        self._status = status
        self._clock = clock
        self._journal = journal

    async def run(self, wish: Wish, program: Program) -> Run:
        """Run a program to its end, which ends the wish; returns the finished run.

        An assigned program that fails for a reason that may pass by itself is wished for again.
        """
        policy, manifest = program.policy, program.manifest
        run = self.history.start(
            Run(
                self._identity.new_id(),
                wish.wanted_id,
                policy.advertisement_id,
                policy.package_id,
                policy.package_version,
                policy.program_name,
                program.content_hash,
                self._clock.now().isoformat(),
            )
        )
        with self._journal.operation(
            "program",
            run_id=run.run_id,
            wanted_id=run.wanted_id,
            advertisement_id=run.advertisement_id,
            package_id=run.package_id,
            version=run.package_version,
            program_name=run.program_name,
            content_hash=run.content_hash,
            assigned_time=wish.assigned_time,
        ) as evidence:
            await self._wishes.tell(self._status.compose(PROGRAM_STARTED, facts_of(policy)))
            longest = 60.0 * (policy.max_duration_minutes or _LONGEST_MINUTES)
            await self._clock.sleep(min(manifest.duration_seconds, longest))
            exit_code: int | None = manifest.exit_code
            detail = program.detail
            good = {0, *_REBOOT_CODES, *map(int, policy.success_codes), *map(int, policy.reboot_codes)}
            succeeded = exit_code in good
            if manifest.duration_seconds > longest:
                # Monitoring stops; the program itself is not stopped (SMS_Program.Duration).
                exit_code, succeeded, detail = None, False, "exceeded its maximum run time"
            run = self.history.finish(
                run, SUCCEEDED if succeeded else FAILED, self._clock.now().isoformat(), exit_code, detail
            )
            evidence |= {"result": run.result, "exit_code": exit_code, "reboot": manifest.reboot}
        await self._wishes.change(wish, self._again(wish, run), self.ended(run))
        return run

    def _again(self, wish: Wish, run: Run) -> Wish | None:
        """The next try (ExecutionFailureRetryInterval and its count), if there is one.

        Not for what a user started (chosen by us): whoever saw it fail can start it again.
        """
        settings = self._settings
        may_pass = run.result == FAILED and run.exit_code in settings.execution_retry_codes
        if not may_pass or wish.assigned_time is None or wish.failed >= settings.execution_retry_count:
            return None
        next_try = datetime.fromtimestamp(self._clock.time() + settings.execution_retry_interval, UTC)
        return replace(
            wish,
            wanted_id=self._identity.new_id(),
            failed=wish.failed + 1,
            not_before=next_try.isoformat(),
        )

    def ended(self, run: Run) -> QueuedMessage:
        """The status message about the end of a run."""
        facts = {
            "AdvertisementId": run.advertisement_id,
            "PackageName": run.package_id,
            "ProgramName": run.program_name,
        }
        if run.exit_code is not None:
            facts["ExitCode"] = str(run.exit_code)
        time = datetime.fromisoformat(run.finished) if run.finished else None
        return self._status.compose(_EVENT_OF[run.result], facts, time)

    def end_of(self, wish: Wish) -> Run | None:
        """The run that an earlier life of this client began for a wish, ended now if it was not."""
        run = self.history.of_wanted(wish.wanted_id)
        if run is not None and run.result == RUNNING:
            run = self.history.finish(run, INTERRUPTED, self._clock.now().isoformat())
        return run


def facts_of(policy: SoftwareDistributionPolicy) -> dict[str, str]:
    """Properties of a software distribution event (endpoints-and-messages.md section 10)."""
    # PackageName carries the package id: that is how the event class is documented.
    return {
        "AdvertisementId": policy.advertisement_id,
        "PackageName": policy.package_id,
        "ProgramName": policy.program_name,
    }
