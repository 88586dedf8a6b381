"""PolicyAgent: asks which policies are assigned, downloads the bodies, puts them in force.

The two travel different paths on purpose: a body can come from the management point's
cache, an assignment cannot. Whatever the management point refuses, the client keeps every
policy it has; and it never goes back to an older version. In native mode it believes an assignment only
with the site server's signature; the body follows from that, by the hash in the assignment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from clients.identity import Identity
from clients.journal import Journal
from clients.policy_store import HeldPolicy, PolicyStore, digest_of, is_newer
from clients.settings import ClientSettings
from clients.transport import Outgoing, Transport
from emulator.clock import Clock
from emulator.errors import ContentHashMismatch, MalformedMessage, ManagementPointUnavailable
from emulator.protocol.policy import AssignedPolicy, PolicyVersion, ReplyAssignments, RequestAssignments
from emulator.protocol.signed_policy import badly_signed
from emulator.protocol.software_distribution import SoftwareDistributionPolicy

ENDPOINT = "MP_PolicyManager"


@dataclass(frozen=True, slots=True)
class AssignmentsResult:
    """What one reply changed."""

    reply_type: str  # Full | OnUpdate
    assigned: tuple[AssignedPolicy, ...]  # new, or in a new version
    withdrawn: tuple[PolicyVersion, ...]
    ignored: tuple[PolicyVersion, ...] = ()  # older than what the client once held
    refused: tuple[PolicyVersion, ...] = ()  # native mode: not signed by the site server


@dataclass(frozen=True, slots=True)
class BodiesResult:
    """What one round of downloads brought, and what it did not."""

    downloaded: tuple[PolicyVersion, ...]
    failed: tuple[tuple[PolicyVersion, str], ...]  # with what was seen


class PolicyAgent:
    """One client's policies."""

    def __init__(
        self,
        settings: ClientSettings,
        identity: Identity,
        transport: Transport,
        journal: Journal,
        clock: Clock,
        site_signing: bytes | None = None,
    ) -> None:
        """``site_signing``: native mode, the certificate (DER) that every assignment is signed with."""
        self._settings = settings
        self._site_signing = site_signing
        self._identity = identity
        self._transport = transport
        self._journal = journal
        self._clock = clock
        self._store = PolicyStore(settings.data / "policy")
        self._asking = asyncio.Lock()
        self.on_changed: Callable[[], None] = lambda: None  # policies in force are others now

    @property
    def policies(self) -> dict[str, HeldPolicy]:
        """What is in force, by policy id."""
        return self._store.policies

    @property
    def assignments(self) -> dict[str, AssignedPolicy]:
        """What is assigned, by policy id, downloaded or not."""
        return self._store.assignments

    @property
    def to_download(self) -> list[AssignedPolicy]:
        """Assigned, but the body has not been downloaded yet."""
        return self._store.to_download

    def recover(self) -> None:
        """Tell the history what is in force: an earlier life may have been killed before it could."""
        for policy_id, held in self.policies.items():
            self._note_in_force(held, self.assignments[policy_id])

    # -- assignments ---------------------------------------------------------------

    async def request_assignments(self, *, full: bool = False) -> AssignmentsResult:
        """Ask for assignments: all of them at first, then the changes since the last reply.

        Raises:
            ManagementPointUnavailable: no readable reply; every policy is kept as it is.
        """
        async with self._asking:
            cookie = "" if full else self._store.cookie
            request = RequestAssignments(
                client_id=self._identity.smsid,
                fqdn=self._settings.fqdn,
                netbios_name=self._settings.name,
                site_code=self._settings.site_code,
                request_type="OnUpdate" if cookie else "Full",
                server_cookie=cookie,
                ack=True,
                validation_crc=False,
            )
            message_id = self._identity.new_id()
            with self._journal.operation(
                "request_policy_assignments",
                url=self._transport.request_url,
                request_type=request.request_type,
                smsid=self._identity.smsid,
                message_id=message_id,
            ) as evidence:
                text = await self._transport.send(Outgoing(message_id, ENDPOINT, request.to_xml()))
                try:
                    reply = ReplyAssignments.from_xml(text)
                    lies = self._lies(text)
                except MalformedMessage as exc:
                    raise ManagementPointUnavailable(f"unreadable policy reply: {exc}") from exc
                result = self._take(reply, lies)
                evidence |= {
                    "reply_type": result.reply_type,
                    "assigned": [assigned.policy.to_query() for assigned in result.assigned],
                    "withdrawn": [policy.to_query() for policy in result.withdrawn],
                    "ignored_as_older": [policy.to_query() for policy in result.ignored],
                    "refused": [policy.to_query() for policy in result.refused],
                }
        if result.withdrawn:
            self.on_changed()
        return result

    def _lies(self, text: str) -> dict[str, str]:
        """Which assignments of a reply the site server did not sign, and what is wrong with each."""
        return {} if self._site_signing is None else badly_signed(text, self._site_signing)

    def _take(self, reply: ReplyAssignments, lies: Mapping[str, str]) -> AssignmentsResult:
        before = self._store.assignments
        after = {} if reply.reply_type.lower() == "full" else dict(before)
        ignored: list[PolicyVersion] = []
        refused = [assigned for assigned in reply.assignments if assigned.assignment_id in lies]
        believed = [assigned for assigned in reply.assignments if assigned.assignment_id not in lies]
        for lie in refused:
            self._journal.note(
                "policy_refused",
                policy=lie.policy.to_query(),
                seen=lies[lie.assignment_id],
                action=lie.action,
            )
            if lie.policy.policy_id in before:
                after[lie.policy.policy_id] = before[lie.policy.policy_id]
        # Deletions first: a policy replaced by a newer version may arrive as both.
        for gone in believed:
            if gone.action == "delete":
                for policy_id, held in list(after.items()):
                    if held.assignment_id == gone.assignment_id and not is_newer(held.policy, gone.policy):
                        del after[policy_id]
        for assigned in believed:
            if assigned.action == "delete":
                continue
            policy_id = assigned.policy.policy_id
            if self._store.is_older(assigned.policy):
                ignored.append(assigned.policy)
                if policy_id in before:
                    after[policy_id] = before[policy_id]
                continue
            after[policy_id] = assigned
        # Remembered only where it matters: a poll that brings nothing new need not be written down.
        replied = self._clock.time() if self._settings.policy_expires_days else None
        # With the new cookie, what was refused would never be offered again.
        self._assign(after, self._store.cookie if refused else reply.server_cookie, replied)
        return AssignmentsResult(
            reply.reply_type,
            tuple(a for k, a in after.items() if k not in before or before[k].policy != a.policy),
            tuple(held.policy for k, held in before.items() if k not in after),
            tuple(ignored),
            tuple(lie.policy for lie in refused),
        )

    def _assign(self, assignments: dict[str, AssignedPolicy], cookie: str, replied: float | None) -> None:
        """From now on these are assigned; the history tells what is no longer in force."""
        before = {policy_id: held.policy for policy_id, held in self.policies.items()}
        self._store.replace(assignments, cookie, replied)
        for policy_id in before.keys() - self.policies.keys():
            self._journal.note("policy_gone", policy_id=policy_id, version=before[policy_id].version)

    def expires_at(self) -> float | None:
        """When policy goes if no reply comes until then (site time); None: never."""
        days, replied = self._settings.policy_expires_days, self._store.replied
        return None if days is None or replied is None else replied + days * 86400.0

    def expire(self) -> None:
        """Remove all policy if the last reply is too long ago (PolicyTimeUntilExpire)."""
        due = self.expires_at()
        if due is None or self._clock.time() < due or not self._store.assignments:
            return
        gone = [held.policy.to_query() for held in self._store.assignments.values()]
        self._assign({}, "", None)
        self._journal.note("policy_expired", policies=gone)
        self.on_changed()

    # -- bodies --------------------------------------------------------------------

    async def download_bodies(self) -> BodiesResult:
        """Download every missing body; one that is refused does not keep the others.

        Never raises for an outage: what failed is tried again the next time.
        """
        downloaded: list[PolicyVersion] = []
        failed: list[tuple[PolicyVersion, str]] = []
        for assigned in self.to_download:
            try:
                await self.fetch_body(assigned.policy)
            except (ManagementPointUnavailable, ContentHashMismatch, MalformedMessage) as exc:
                failed.append((assigned.policy, str(exc)))
                if isinstance(exc, ManagementPointUnavailable) and exc.status is None:
                    break  # nobody there: the next one would only wait for the same silence
            else:
                downloaded.append(assigned.policy)
        if downloaded:
            self.on_changed()
        return BodiesResult(tuple(downloaded), tuple(failed))

    async def fetch_body(self, policy: PolicyVersion) -> bytes:
        """Download one body; if it is assigned, verify it and put it in force.

        Raises:
            ManagementPointUnavailable: it was not served (``status`` says how).
            ContentHashMismatch: it is not the body that was assigned; all is asked for again next time.
            MalformedMessage: it is no policy.
        """
        # Braces of the id percent-encoded, the dot before the version as it is.
        path = f"/SMS_MP/.sms_pol?{quote(policy.to_query(), safe='-.:')}"
        with self._journal.operation("request_policy_body", policy=policy.to_query(), path=path) as evidence:
            body = await self._transport.get(path, with_token=True)
            digest = digest_of(body)
            evidence |= {"bytes": len(body), "hash": digest}
            assigned = self._store.assignments.get(policy.policy_id)
            if assigned is not None and assigned.policy == policy:
                if assigned.policy_hash and assigned.policy_hash.upper() != digest:
                    # One of the two is wrong. Were it the assignment, no update would ever bring it again.
                    self._store.forget_cookie()
                    raise ContentHashMismatch(
                        f"policy {policy.to_query()} hashes to {digest}, assigned was {assigned.policy_hash}"
                    )
                self._note_in_force(self._store.keep_body(policy, body), assigned)
        return body

    def _note_in_force(self, held: HeldPolicy, assigned: AssignedPolicy) -> None:
        """What the client goes by from now on: the evidence for everything it does because of it."""
        detail: dict[str, object] = {
            "policy_id": held.policy.policy_id,
            "version": held.policy.version,
            "category": assigned.category,
            "hash": held.digest,
            # A body stays in force until the one that is assigned instead is here.
            "announced": assigned.policy_hash if held.is_of(assigned) else "",
        }
        if isinstance(held.content, SoftwareDistributionPolicy):
            detail |= program_facts(held.content)
        self._journal.note("policy_in_force", **detail)


def program_facts(content: SoftwareDistributionPolicy) -> dict[str, object]:
    """What a policy says of its program, in the words of the history."""
    return {
        "advertisement_id": content.advertisement_id,
        "package_id": content.package_id,
        "package_version": content.package_version,
        "program_name": content.program_name,
        "source_hash": content.source_hash if content.contains_source_files else "",
        "mandatory": content.mandatory,
        "assigned_schedule": content.assigned_schedule,
        "active_time": content.active_time.timestamp(),
        "expiration_time": content.expiration_time.timestamp() if content.expiration_time else None,
        "rerun": content.rerun,
    }
