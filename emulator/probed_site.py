"""Asking a site's roles whether they are there, as a stranger would."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

from emulator.errors import SiteDatabaseUnavailable
from emulator.placed_site import PlacedSite
from emulator.protocol.client_certificates import AUTHORITY, CERTIFICATES, CLIENT
from emulator.settings import DATABASES

# Where each kind of role answers a harmless question: the management point's is the documented health test.
PROBES = {
    "site_server": "/AdminService/wmi/SMS_Site",
    "management_point": "/SMS_MP/.sms_aut?MPLIST",
    "distribution_point": "/SMS_DP_SMSPKG$/",
}

PATIENCE_WITH_THE_BROKEN, PATIENCE = 1.0, 4.0  # real seconds


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a stranger sees who asks a role whether it is there."""

    answers: bool
    seen: str
    status: int | None = None  # of HTTP, where one came


class ProbedSite(PlacedSite):
    """A site that can be asked."""

    _observer: ssl.SSLContext | bool = True  # how a probe speaks TLS

    @property
    def broken(self) -> dict[str, str]:
        """Roles that were taken away, and how."""
        return {}

    async def probe(self, role: str, timeout: float | None = None) -> ProbeResult:
        """Ask a role as a stranger would; an HTTP 503 counts as no answer.

        ``timeout``: real seconds; one where the role was taken away and shall not answer, else four, in which
        a busy machine answers too.
        """
        timeout = timeout or (PATIENCE_WITH_THE_BROKEN if role in self.broken else PATIENCE)
        address = self.roles[role]
        if address.kind in DATABASES:
            return await self._probe_database(role, timeout)
        headers: dict[str, Any] = {"Authorization": f"Bearer {self.secret}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
                session.get(
                    self._seen_from_outside(address).public_url + PROBES[address.kind],
                    headers=headers,
                    ssl=self._observer,
                ) as reply,
            ):
                return ProbeResult(reply.status != 503, f"HTTP {reply.status} {reply.reason}", reply.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return ProbeResult(False, _seen(exc, timeout))

    async def _enrol_observer(self) -> None:
        """Who probes needs a certificate like everybody: native mode answers nobody without."""
        if not self.native:
            return
        folder = self.data / "observer"
        await self.enrol("OBSERVER", folder)
        context = ssl.create_default_context(cafile=folder / CERTIFICATES / AUTHORITY)
        context.load_cert_chain(folder / CERTIFICATES / CLIENT)
        self._observer = context

    async def _probe_database(self, role: str, timeout: float) -> ProbeResult:
        try:
            async with self.database(timeout, role) as db:
                await db.fetchval("SELECT 1")
        except SiteDatabaseUnavailable as exc:
            return ProbeResult(False, str(exc))
        return ProbeResult(True, "SELECT 1 answered")


def _seen(exc: BaseException, timeout: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {timeout:g} s"
    return f"{type(exc).__name__}: {exc}"
