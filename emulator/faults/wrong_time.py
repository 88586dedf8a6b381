"""Time that is wrong: a role's clock, and what it proves itself with."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from emulator.errors import FaultRefused
from emulator.faults.fault import Memory, RoleFault
from emulator.faults.surroundings import Surroundings
from emulator.pki import Pki

_FOUND = "found"


class SkewedClock(RoleFault):
    """The role's own clock is so many seconds ahead of the site's, or behind it, and goes on like that."""

    kind = "skewed_clock"
    roles = ("site_server", "management_point", "distribution_point")
    seconds: float = Field(description="site seconds ahead; negative: behind")

    @field_validator("seconds")
    @classmethod
    def _wrong(cls, seconds: float) -> float:
        if not seconds:
            raise ValueError("a clock that is ahead by nothing is right")
        return seconds

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Put the clock wrong.

        Raises:
            ClockRefused: by more than a clock of this site can be.
        """
        memory[_FOUND] = site.clock.settings.skew.get(role, 0.0)
        await site.set_clock(skew={role: self.seconds})
        return f"its clock is {self.seconds:+g} s off"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        await site.set_clock(skew={role: memory[_FOUND]})
        return f"its clock is {memory[_FOUND]:+g} s off, as before"


class ExpiredCertificate(RoleFault):
    """The role answers TLS with a certificate that has expired; it is restarted to take it up."""

    kind = "expired_certificate"
    roles = ("site_server", "management_point", "distribution_point")
    days: float = Field(default=1.0, gt=0, le=3650, description="how long ago it expired")

    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Issue it and restart the role.

        Raises:
            FaultRefused: the role does not answer TLS here, or is away.
        """
        address = site.roles[role]
        if address.https_port is None:
            raise FaultRefused(f"{self.kind}: {role} does not answer TLS in this site")
        if role in site.broken:
            raise FaultRefused(f"{self.kind}: {role} is away ({site.broken[role]})")
        pki = self._pki(site)
        memory[_FOUND] = pki.server_certificate(address)
        ended = pki.replace_with_expired(address, timedelta(days=self.days))
        restarted = await self._restart(site, role)
        return f"its certificate ended {ended:%Y-%m-%d %H:%M} UTC; {restarted}"

    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        self._pki(site).put_back(site.roles[role], memory[_FOUND])
        if role in site.broken:
            return f"its certificate is the old one; it is away ({site.broken[role]})"
        return f"its certificate is the old one; {await self._restart(site, role)}"

    @staticmethod
    def _pki(site: Surroundings) -> Pki:
        return Pki(site.data / "pki", site.clock)

    @staticmethod
    async def _restart(site: Surroundings, role: str) -> str:
        host = site.host(role)
        return f"{await host.stop()}; {await host.start()}"
