"""Site policies: what the site's settings say to clients, beside what is advertised.

They stand in the topology (``emulator/security.py``); the policy provider calls this in its passes. A
changed setting makes the next version, one that is gone withdraws its policy. Secrets are kept
obfuscated. Whether a client is approved is not asked here: the management point's look-up of
assignments leaves the secret ones out for who is not, so that an approval takes effect at once.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from emulator.clock import Clock
from emulator.errors import MalformedMessage
from emulator.logs import get_logger
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_secret import SEED_LENGTH
from emulator.protocol.site_policy import PolicyValue, SitePolicyContent, assignment_condition
from emulator.security import SitePolicy
from emulator.settings import RoleSettings
from emulator.site_database.database import SiteDatabase
from emulator.site_server import policy_publication
from emulator.site_server.policy_publication import Source

PREFIX = "SITE:"  # of a source: SITE:<name of the policy>


class SitePolicies:
    """Publishes the policies of the site's settings."""

    log = get_logger("policypv")

    def __init__(self, database: SiteDatabase, settings: RoleSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock

    async def publish(self) -> None:
        """Make what is published say what the settings say; a pass that changes nothing writes nothing.

        Raises:
            SiteDatabaseUnavailable: the pass is repeated later.
        """
        wanted = set()
        for policy in self._settings.security.policies:
            wanted.add(PREFIX + policy.name)
            try:
                await self._publish(policy)
            except (MalformedMessage, ValueError) as exc:
                # One setting that no policy can hold must not keep the others from clients.
                self.log.error("no policy", setting=policy.name, reason=str(exc))
        for row in await self._database.fetch("policypv_published_of_site"):
            if row["sourceid"] not in wanted:
                async with self._database.transaction() as session:
                    await policy_publication.withdraw(session, row["padbid"], self._clock.now())
                self.log.info("withdrawn", source=row["sourceid"])

    async def _publish(self, policy: SitePolicy) -> None:
        content = content_of(policy)
        source = self._source(policy, content)
        async with self._database.transaction() as session:
            published = await policy_publication.publish(
                session, source, self._body_of(policy, content), self._clock.now()
            )
            differ = "policypv_targets_differ"
            if await session.fetchval(differ, published.assignment, policy.collection):
                await policy_publication.target(session, published, policy.collection)
        if published.new:
            self.log.info("published", setting=policy.name, policy=published.policy.to_query())

    def _source(self, policy: SitePolicy, content: SitePolicyContent) -> Source:
        site_code = self._settings.site_code
        plain = Source(PREFIX + policy.name, policy.category, site_code)
        return Source(
            plain.source_id,
            policy.category,
            site_code,
            flags=content.default_flags if policy.flags is None else policy.flags,
            priority=policy.priority,
            condition=assignment_condition(policy.conditions, policy.operator),
            named=content.policy_id(plain.guid),
        )

    def _body_of(self, policy: SitePolicy, content: SitePolicyContent) -> Callable[[PolicyVersion], bytes]:
        security = self._settings.security

        def seed_of(value: PolicyValue) -> bytes:
            # Not chance: the same setting has to make the same body, or every pass would make a version.
            text = f"{policy.name}/{value.name}/{value.value}"
            digest = hmac.new(self._settings.secret.encode(), text.encode(), hashlib.sha512).digest()
            return digest[:SEED_LENGTH]

        return lambda version: content.to_body(
            version, self._settings.site_code, seed_of, security.secret_encryption
        )


def content_of(policy: SitePolicy) -> SitePolicyContent:
    """What a setting says, in the protocol's words."""
    return SitePolicyContent(
        category=policy.category,
        class_name=policy.class_name,
        values=tuple(PolicyValue(item.name, item.value, item.secret) for item in policy.properties),
        expressions=policy.conditions,
        operator=policy.operator,
    )
