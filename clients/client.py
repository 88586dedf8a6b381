"""One simulated Configuration Manager 2007 client: its agents, put together.

Everything it knows is in its folder, so a new object on the same folder goes on where the
old one was, whether that was stopped or killed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from clients.certificates import read_certificates, tls_context
from clients.component_logs import ComponentLogs
from clients.content_access import ContentAccess
from clients.content_cache import ContentCache
from clients.discovery_agent import DiscoveryAgent
from clients.execution_manager import ExecutionManager
from clients.identity import Identity
from clients.inventory_agent import InventoryAgent
from clients.journal import Journal
from clients.ledger import Ledger
from clients.location_services import LocationServices
from clients.messaging import Messaging
from clients.metering_agent import MeteringAgent
from clients.policy_agent import PolicyAgent
from clients.registration_agent import RegistrationAgent, RegistrationResult
from clients.reports import ReportHeaders
from clients.scheduler import Recurring, Scheduler
from clients.settings import ClientSettings
from clients.state_agent import StateAgent
from clients.status_agent import StatusAgent
from clients.transport import Transport
from emulator.clock import Clock
from emulator.errors import ConfigMgrError, ManagementPointUnavailable, ObjectNotFound
from emulator.history import History
from emulator.protocol.report_file import ReportKind


def schedule_id(number: int) -> str:
    """A TriggerSchedule id: ``{00000000-0000-0000-0000-000000000021}`` for 21."""
    return f"{{00000000-0000-0000-0000-{number:012d}}}"


class SimulatedClient:
    """One client; see its agents for what it can do."""

    def __init__(self, settings: ClientSettings, clock: Clock, history: History | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.history = history or History(clock)
        self.journal = Journal(self.history, settings.name, ComponentLogs(settings.name, clock))
        data = settings.data
        issued = read_certificates(settings.certificates_folder) if settings.native else None
        tls = tls_context(settings.certificates_folder) if issued else None
        signer, site_signing = (issued.client, issued.site_signing) if issued else (None, None)
        self.identity = Identity(data, settings.name, settings.seed, clock, signer)
        self.transport = Transport(settings, clock, self.identity, tls)
        headers = ReportHeaders(settings, self.identity, clock)

        self.registration = RegistrationAgent(settings, self.identity, self.transport, clock, self.journal)
        self.messaging = Messaging(
            data / "queue",
            self.identity,
            self.transport,
            clock,
            self.journal,
            60.0 * settings.outgoing_message_timeout,
        )
        self.policy_agent = PolicyAgent(
            settings, self.identity, self.transport, self.journal, clock, site_signing
        )
        self.location_services = LocationServices(settings, self.identity, self.transport, self.journal)
        cache = ContentCache(settings, clock, self.journal)
        self.content_access = ContentAccess(
            settings, cache, self.location_services, self.transport, self.journal
        )
        self.status_agent = StatusAgent(self.identity, self.messaging, clock, self.journal)
        self.execution_manager = ExecutionManager(
            settings,
            self.identity,
            self.policy_agent,
            self.content_access,
            self.status_agent,
            self.messaging,
            clock,
            self.journal,
        )
        self.inventory_agent = InventoryAgent(
            settings, self.policy_agent, self.messaging, headers, self.journal, self._installed
        )
        self.discovery_agent = DiscoveryAgent(settings, self.identity, self.messaging, headers, self.journal)
        self.metering_agent = MeteringAgent(
            settings, self.identity, self.messaging, headers, clock, self.journal
        )
        self.state_agent = StateAgent(settings, self.messaging, headers, clock, self.journal)
        self.scheduler = Scheduler(Ledger(data / "schedule.json"), clock, self.journal)
        cache.referenced = self._referenced
        self._schedules = self._table_of_schedules()

    @property
    def smsid(self) -> str:
        """``GUID:...``: proposed by the client until the site accepted it, then the site's."""
        return self.identity.smsid

    def _installed(self) -> list[str]:
        runs = self.execution_manager.history.succeeded()
        return [f"{run.package_id} {run.program_name}" for run in runs]

    def _referenced(self) -> set[tuple[str, int]]:
        return {(p.package_id, p.package_version) for p in self.execution_manager.policies().values()}

    # -- life ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what an earlier life left, and begin the schedules if they are enabled."""
        self.messaging.tell_what_is_held()
        await self.inventory_agent.recover()
        await self.metering_agent.recover()
        await self.state_agent.recover()
        await self.execution_manager.recover()
        self.journal.note(
            "client_started",
            smsid=self.smsid,
            registered=self.registration.registered,
            policies={i: held.policy.version for i, held in self.policy_agent.policies.items()},
        )
        self.policy_agent.recover()
        if self.settings.schedules_enabled:
            self._plan()
            self.scheduler.start()

    async def stop(self) -> None:
        """Orderly: the schedules end, connections close; everything is on disk already."""
        await self.scheduler.stop()
        self.journal.cut()
        await self.transport.close()
        self.journal.note("client_stopped")

    def abandon(self) -> None:
        """Die as a killed process does: at once, with nothing flushed, said or written."""
        self.scheduler.abandon()
        self.journal.cut()
        self.transport.abandon()
        self.journal.note("client_killed")

    async def register(self, *, force: bool = False) -> RegistrationResult:
        """Register with the site unless that is done."""
        return await self.registration.register(force=force)

    # -- schedules -----------------------------------------------------------------

    async def trigger_schedule(self, identifier: str) -> None:
        """What ``SMS_Client.TriggerSchedule`` does: run one activity now.

        Raises:
            ObjectNotFound: this client has no such schedule.
            ConfigMgrError: the activity failed.
        """
        run = self._schedules.get(identifier.upper() if identifier.startswith("{") else f"{{{identifier}}}")
        if run is None:
            raise ObjectNotFound.naming_valid(f"no schedule has the id {identifier}", self._schedules)
        self.journal.note("schedule_triggered", schedule=identifier)
        await run()

    def _table_of_schedules(self) -> dict[str, Callable[[], Awaitable[None]]]:
        table: dict[tuple[int, ...], Callable[[], Awaitable[None]]] = {
            (1, 101): self._hardware_inventory,
            (2, 102): self._software_inventory,
            (3, 103): self._heartbeat,
            (21,): self.refresh_policy,
            (22,): self._evaluate_policy,
            (23, 24, 25): self._refresh_management_points,
            (31, 106): self._metering,
            (111, 115, 116): self._send,
        }
        return {schedule_id(number): run for numbers, run in table.items() for number in numbers}

    async def refresh_policy(self) -> None:
        """Ask for assignments, download bodies, then run what has become due.

        Raises:
            ManagementPointUnavailable: assignments were not answered; bodies that are missing
                are still tried, and what is due still runs.
        """
        unanswered: ConfigMgrError | None = None
        try:
            await self.policy_agent.request_assignments()
        except ConfigMgrError as exc:  # not what ends a client: who is killed does nothing more
            unanswered = exc
        await self.policy_agent.download_bodies()
        await self._evaluate_policy()
        if unanswered:
            raise unanswered

    async def _evaluate_policy(self) -> None:
        await self.execution_manager.run_due()

    async def _hardware_inventory(self) -> None:
        await self.inventory_agent.collect_hardware()
        await self.messaging.flush()

    async def _software_inventory(self) -> None:
        await self.inventory_agent.collect_software()
        await self.messaging.flush()

    async def _heartbeat(self) -> None:
        await self.discovery_agent.heartbeat()
        await self.messaging.flush()

    async def _metering(self) -> None:
        await self.metering_agent.report()
        await self.messaging.flush()

    async def _refresh_management_points(self) -> None:
        await self.location_services.management_points()

    async def _send(self) -> None:
        await self.messaging.flush()

    # -- the background ------------------------------------------------------------

    def _plan(self) -> None:
        s, plan = self.settings, self.scheduler
        self.messaging.on_posted = self._plan_sending
        self.policy_agent.on_changed = self._policy_changed
        plan.every(Recurring("policy", s.policy_interval, self._policy_cycle))
        plan.every(Recurring("heartbeat", s.heartbeat_interval, self.discovery_agent.heartbeat))
        plan.every(
            Recurring(
                "hardware_inventory", s.hardware_inventory_interval, self.inventory_agent.collect_hardware
            )
        )
        plan.every(
            Recurring(
                "software_inventory", s.software_inventory_interval, self.inventory_agent.collect_software
            )
        )
        plan.every(Recurring("metering", s.metering_interval, self.metering_agent.report))
        plan.every(Recurring("locations", s.location_interval, self._refresh_management_points))
        plan.every(Recurring("state", s.state_interval, self._send_state, remembered=False))
        self._plan_programs()
        self._plan_expiry()
        if len(self.messaging):  # what an earlier life left
            self._plan_sending()

    async def _policy_cycle(self) -> None:
        await self.register()
        try:
            await self.refresh_policy()
            await self.execution_manager.prefetch()
        finally:
            self._plan_programs()
            self._plan_expiry()

    def _policy_changed(self) -> None:
        now = self.clock.time()
        self._plan_programs()
        for action, collect in (
            ("Hardware", self.inventory_agent.collect_hardware),
            ("Software", self.inventory_agent.collect_software),
        ):
            if self.inventory_agent.resync_pending(action):
                self.scheduler.at(f"resync_{action}", now, collect)

    def _plan_programs(self) -> None:
        """Plan the next assigned time and the next try of what waits."""
        manager = self.execution_manager
        for name, time, run in (
            ("programs", manager.next_assigned_time(), self._programs_due),
            ("content", manager.next_retry(), self._content_due),
        ):
            if time is None:
                self.scheduler.forget(name)
            else:
                self.scheduler.at(name, time.timestamp(), run)

    def _plan_expiry(self) -> None:
        due = self.policy_agent.expires_at()
        if due is not None:
            self.scheduler.at("policy_expiry", due, self._expire_policy)

    async def _expire_policy(self) -> None:
        self.policy_agent.expire()

    async def _programs_due(self) -> None:
        try:
            await self.execution_manager.run_due()
        finally:
            self._plan_programs()

    async def _content_due(self) -> None:
        try:
            await self.execution_manager.retry_waiting(only_due=True)
        finally:
            self._plan_programs()

    def _plan_sending(self) -> None:
        # While the management point fails, new messages wait for the retry that is planned.
        if self.messaging.failures == 0:
            self.scheduler.at("send", self.clock.time(), self._send_queue)

    async def _send_state(self) -> None:
        """Unsent state messages go with their own cycle; what else is held waits for MessageRetrySpec."""
        if ReportKind.STATE in self.messaging.pending:
            await self._send_queue()

    async def _send_queue(self) -> None:
        if not self.registration.registered:
            try:
                await self.register()
            except ManagementPointUnavailable:
                self.messaging.failures += 1
        result = await self.messaging.flush()
        if result.held:
            pause = self.settings.retry_after(max(self.messaging.failures, 1))
            self.scheduler.at("send", self.clock.time() + pause, self._send_queue)
