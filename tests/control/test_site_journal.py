"""What a test author sees of a running site in its journal."""

from pathlib import Path

import pytest

from clients.client import SimulatedClient, schedule_id
from clients.settings import ClientSettings
from emulator.control.journal import NotInJournal
from emulator.site import Mode, Site
from fixtures.topologies import find_topology


@pytest.mark.parametrize("mode", ["in-process", "processes"])
async def test_every_message_of_a_client_is_there_decoded(mode: Mode, tmp_path: Path) -> None:
    async with Site(
        find_topology("one-computer"), mode=mode, data=tmp_path / "site", database_timeout=30
    ) as site:
        settings = ClientSettings(
            name="PC07",
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=tmp_path / "PC07",
            schedules_enabled=False,
            request_timeout=30,
        )
        client = SimulatedClient(settings, site.clock, site.history)
        await client.start()
        try:
            await client.register()
            await client.trigger_schedule(schedule_id(1))
            (registered,) = await site.journal.expect(client="PC07", kind="registration", within=60)
            assert b"ClientRegistrationRequest" in site.journal.body(registered)
            (reported,) = await site.journal.expect(
                client="PC07", kind="hardware_inventory", role="management_point", within=60
            )
            assert (reported.status, reported.smsid) == (200, client.smsid)
            await site.journal.expect(
                kind="hardware_inventory", role="site_server", smsid=client.smsid, within=60
            )
            with pytest.raises(NotInJournal, match=r"closest:\n  .* from PC07 at"):
                await site.journal.expect(client="PC07", kind="software_inventory", within=0)
        finally:
            await client.stop()
