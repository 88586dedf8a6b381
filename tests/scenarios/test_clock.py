"""One clock for a whole site: roles in this process and roles of their own follow it at once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.errors import ClockRefused
from emulator.site import MODES, Mode, Site
from fixtures.topologies import find_topology
from tests.patience import PATIENT

PATIENCE = 30.0  # real seconds


class Lab:
    """A site whose clock stands still, and a client that does what it is told."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        settings = ClientSettings(
            name="PC01",
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=folder / "PC01",
            schedules_enabled=False,
            request_timeout=30.0,
        )
        self.client = SimulatedClient(settings, site.clock.of("PC01"), site.history)

    @property
    def now(self) -> datetime:
        return self.site.clock.now()

    async def report(self) -> str:
        """A heartbeat that the management point has acknowledged; returns its message id."""
        message_id = await self.client.discovery_agent.heartbeat()
        result = await self.client.messaging.flush()
        assert result.held == 0, result.last_error
        return message_id

    async def times(self, message_id: str) -> tuple[datetime, datetime]:
        """When a report was received, and when it was loaded, by the clocks of those who did it."""
        async with self.site.database() as db, asyncio.timeout(PATIENCE):
            while True:
                row = await db.fetchrow(
                    "SELECT ReceivedAtMP, LoadedAt FROM InboxReceipt WHERE upper(MessageID) = upper($1)",
                    message_id,
                )
                if row:
                    return row["receivedatmp"], row["loadedat"]
                await asyncio.sleep(0.01)

    async def said(self) -> datetime:
        """What the client said it was when it last reported."""
        async with self.site.database() as db:
            time: datetime = await db.fetchval("SELECT Last_DDR_Time FROM System_DISC WHERE Name0 = 'PC01'")
        return time


@pytest.fixture(params=MODES)
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    async with Site(find_topology("four-computers"), mode=request.param, **PATIENT) as site:
        site.clock.freeze()
        lab = Lab(site, tmp_path)
        await lab.client.start()
        await lab.client.register()
        yield lab
        await lab.client.stop()


def away(mode: Mode) -> list[str]:
    return ["stopped", "hung", *(["killed"] if mode == "processes" else [])]


async def test_every_process_follows(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cmemu")
    site = lab.site
    # frozen: whoever looks at a clock sees the very same time, and again after a jump
    for _ in range(2):
        assert await lab.times(await lab.report()) == (lab.now, lab.now)
        assert await lab.said() == lab.now
        site.clock.advance(86400.25)

    # a wrong clock is wrong in what that role or client does, and nowhere else
    await site.set_clock(skew={"management_point": 3600, "PC01": -30})
    right = lab.now
    assert await lab.times(await lab.report()) == (right + timedelta(hours=1), right)
    assert await lab.said() == right - timedelta(seconds=30)
    log = site.folder("management_point") / "role.log"
    lines = log.read_text(encoding="utf-8") if site.mode == "processes" else caplog.text
    assert (right + timedelta(hours=1)).strftime("site_time='%Y-%m-%dT%H:%M:%SZ'") in lines
    await site.set_clock(skew={"management_point": 0, "PC01": 0})

    # who was stopped, frozen or killed meanwhile reads what holds now
    for fault in away(site.mode):
        async with site.offline("management_point", fault=fault):
            site.clock.advance(1000)
        assert await lab.times(await lab.report()) == (lab.now, lab.now), fault


async def test_a_sleeper_in_another_process_wakes_with_the_clock(lab: Lab) -> None:
    site = lab.site
    # The site server is away: the management point's dispatcher sleeps for 30 seconds between attempts.
    async with site.offline("site_server"):
        held = await lab.report()
        await until_it_sleeps(site)
    outbox = site.folder("management_point") / "outboxes"
    # expect: it is back, and as no time passes nobody tries again, however long we wait.
    await lab.client.transport.get("/SMS_MP/.sms_aut?MPLIST")
    assert list(outbox.rglob("*.DDR"))
    site.clock.advance(31)
    _, loaded = await lab.times(held)
    assert loaded == lab.now
    if site.mode == "in-process":
        await steps_of_a_time_lapse(lab)
        await inventory_of_a_clock_put_back(lab)
    else:
        with pytest.raises(ClockRefused, match="not known in the mode 'processes'; valid: 'in-process'"):
            await site.pass_time(60)


async def until_it_sleeps(site: Site) -> None:
    """Until the dispatcher has tried: in this process it can be asked; in another one it is slower."""
    if site.mode == "in-process":
        await site.settled()
        return
    log = site.folder("management_point") / "role.log"
    async with asyncio.timeout(PATIENCE):
        while "cannot connect to the inbox source" not in log.read_text(encoding="utf-8"):  # noqa: ASYNC110  # a file
            await asyncio.sleep(0.01)


async def steps_of_a_time_lapse(lab: Lab) -> None:
    with pytest.raises(ClockRefused, match="pass_time: -1 is not possible"):
        await lab.site.pass_time(-1)
    await lab.site.pass_time(0)
    before = lab.now
    # nothing is planned but the dispatcher's next attempt
    async with lab.site.offline("site_server"):
        held = await lab.report()
        passage = await lab.site.pass_time(100)
        assert passage.steps == 3  # after 30, 60 and 90 seconds
    await lab.site.pass_time(20)
    assert lab.now == before + timedelta(seconds=120)
    assert await lab.times(held) == (before, before + timedelta(seconds=120))


async def inventory_of_a_clock_put_back(lab: Lab) -> None:
    """Rejected, because it is older than the last one; asked for again, and taken then."""
    client, site = lab.client, lab.site
    badmifs = site.folder("site_server") / "inboxes"

    async def collect() -> list[str]:
        await client.inventory_agent.collect_hardware()
        assert (await client.messaging.flush()).held == 0
        await site.settled()
        async with site.database() as db:
            rows = await db.fetch(
                "SELECT ReportVersion FROM InventoryLog WHERE InventoryAction = 'Hardware' ORDER BY LogID"
            )
        return [row["reportversion"] for row in rows]

    assert await collect() == ["1.0"]
    site.clock.set_skew("PC01", -86400)
    assert await collect() == ["1.0"]
    (reason,) = badmifs.rglob("Outdated/*.reason.txt")
    assert "older than the last one loaded" in reason.read_text(encoding="utf-8")
    await client.refresh_policy()
    assert client.inventory_agent.resync_pending("Hardware")
    assert await collect() == ["1.0", "2.0"]


async def test_a_kept_folder_keeps_the_clock() -> None:
    topology = find_topology("one-computer")
    with tempfile.TemporaryDirectory(prefix="cmemu-tests-") as folder:
        async with Site(topology, data=Path(folder) / "site", speed=50, **PATIENT) as site:
            site.clock.freeze()
            site.clock.set_skew("distribution_point", -5)
            kept = site.clock.settings
        async with Site(topology, data=Path(folder) / "site", **PATIENT) as site:
            assert site.clock.settings == kept
            assert (site.clock.speed, site.clock.frozen) == (50, True)
