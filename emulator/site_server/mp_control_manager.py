"""MP Control Manager (mpcontrol): tests every management point by HTTP, every five minutes.

The test is what anybody may ask: the list of management points, which a management point answers
only when it reaches the site database. HTTP 200 is healthy; anything else, or nothing, is not.
The site's status messages tell of a management point that falls ill (5436, with what was seen)
and of one that is well (5460). One message for each change is our choice, and the numbers are
customary (management-point.md section 5). In native mode the list is for who shows a client
certificate, which this component does not have: there it does not test.
"""

from __future__ import annotations

import aiohttp

from emulator.settings import RoleAddress
from emulator.site_server.component import Component, SiteServerPart
from emulator.site_server.site_status import ERROR, INFORMATION, SiteStatus

TEST_SECONDS = 300.0  # site time between two tests
LEAST_SECONDS = 1.0  # real seconds: a fast clock must not become a load test
TEST = "/SMS_MP/.sms_aut?MPLIST"
HEALTHY, ILL = 5460, 5436  # message ids


class MpControlManager(Component):
    """Tests management points and tells of what changed."""

    log_name = "mpcontrol"

    def __init__(self, role: SiteServerPart) -> None:
        super().__init__(role)
        self.status = SiteStatus(role, "SMS_MP_CONTROL_MANAGER")
        self._told: dict[str, bool] = {}  # management point -> healthy, as the status messages have it

    async def run(self) -> None:
        if self.settings.security.mode == "native":
            self.log.info("no certificate to test management points with in native mode")
            return
        await super().run()

    async def work(self) -> float | None:
        # Before the first test too: when a site starts its management points are not there yet.
        await self.clock.sleep(TEST_SECONDS, at_least=LEAST_SECONDS)
        timeout = aiohttp.ClientTimeout(total=self.settings.link_timeout)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            for role in self.settings.of_kind("management_point"):
                await self._tell(role, await self.test(http, role))
        return 0.0

    async def test(self, http: aiohttp.ClientSession, role: RoleAddress) -> str:
        """What is wrong with a management point; "" if nothing is."""
        try:
            async with http.get(role.url + TEST) as reply:
                await reply.read()
                return "" if reply.status == 200 else f"HTTP {reply.status} {reply.reason}"
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return f"{type(exc).__name__}: {exc}".rstrip(": ")

    async def _tell(self, role: RoleAddress, wrong: str) -> None:
        """Store a status message if this is news.

        Raises:
            SiteDatabaseUnavailable: it is told after the next test.
        """
        if self._told.get(role.name) is (not wrong):
            return
        message, severity = (ILL, ERROR) if wrong else (HEALTHY, INFORMATION)
        strings = [role.computer, wrong] if wrong else [role.computer]
        async with self.database.transaction() as session:
            await self.status.report(session, message, strings, {}, severity)
        self._told[role.name] = not wrong
        if wrong:
            self.log.error("the management point does not answer as it should", point=role.name, seen=wrong)
        else:
            self.log.info("the management point is well", point=role.name)
