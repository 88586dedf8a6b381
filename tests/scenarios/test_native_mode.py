"""A site in native mode, end to end: nothing of a client's life leaves TLS, and rows of the table hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clients.client import SimulatedClient
from clients.settings import ClientSettings
from emulator.errors import ManagementPointUnavailable
from emulator.site import Site
from fixtures.administrator import Administrator
from fixtures.chaos.population import Population
from fixtures.failure_table import failure_table
from fixtures.packages import PackageSource, ProgramManifest
from fixtures.report.document import make_document
from fixtures.scenario.plan import Plan
from fixtures.scenario.runner import run
from fixtures.scenario_file.clientele import Clientele
from fixtures.topologies import find_topology
from tests.patience import PATIENT


def urls_of(site: Site) -> set[str]:
    """Every address that a client has used, by the history."""
    return {str(e.detail["url"]) for e in site.history.events if e.who == "PC01" and "url" in e.detail}


@pytest.mark.proves("native.end_to_end")
async def test_register_policy_content_program_report(tmp_path: Path) -> None:
    async with Site(find_topology("native"), data=tmp_path / "site", **PATIENT) as site:
        settings = ClientSettings(
            name="PC01",
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=tmp_path / "PC01",
            schedules_enabled=False,
            request_timeout=10.0,
            message_size_threshold=0,  # reports are uploaded: that way is over TLS, too
        )
        await site.enrol("PC01", settings.data)
        client = SimulatedClient(settings, site.clock, site.history)
        async with Administrator(site.url("site_server"), site.secret) as administrator:
            await client.start()
            try:
                await life(client, administrator, tmp_path / "source")
                await until_known(administrator, client)
            finally:
                await client.stop()
        assert urls_of(site)
        assert {url.partition("://")[0] for url in urls_of(site)} == {"https"}


async def life(client: SimulatedClient, administrator: Administrator, source: Path) -> None:
    """From registration to a program that ran."""
    await client.register()
    folder = PackageSource("source", programs=(ProgramManifest("Install", duration_seconds=0),)).write(
        source, 1
    )
    package = await administrator.create_package("Package", folder)
    await administrator.create_program(package)
    await administrator.distribute(package)
    await administrator.until_installed(package, 1)
    member = await administrator.resource_id(client.smsid)
    collection = await administrator.create_collection("Collection", [member])
    await administrator.create_advertisement("Advertisement", package, collection)
    ran = client.execution_manager.history
    async with asyncio.timeout(60):
        while not ran.succeeded():  # the site targets an advertisement in its own time
            await client.refresh_policy()
            await client.execution_manager.retry_waiting()
    assert [(run.package_id, run.exit_code) for run in ran.succeeded()] == [(package, 0)]


async def until_known(administrator: Administrator, client: SimulatedClient) -> None:
    """The client's reports have reached the site."""
    await client.inventory_agent.collect_hardware()
    sent = await client.messaging.flush()
    assert (sent.held, sent.last_error) == (0, None)
    member = await administrator.resource_id(client.smsid)
    async with asyncio.timeout(15):
        while not await administrator.query("SMS_G_System_Inventory", f"ResourceID eq {member}"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_computer_of_another_authority_is_no_client(tmp_path: Path) -> None:
    data = tmp_path / "PC01"
    async with Site(find_topology("native"), data=tmp_path / "another", **PATIENT) as another:
        await another.enrol("PC01", data)
        ours = (another.data / "pki" / "authority_certificate.pem").read_bytes()
    async with Site(find_topology("native"), data=tmp_path / "site", **PATIENT) as site:
        settings = ClientSettings(
            name="PC01",
            management_point=site.url("management_point"),
            site_code=site.site_code,
            data=data,
            schedules_enabled=False,
        )
        theirs = (site.data / "pki" / "authority_certificate.pem").read_bytes()
        assert ours != theirs
        for trusted in ours, theirs:  # whom the client believes is one thing, who believes it another
            (data / "certificates" / "authority.pem").write_bytes(trusted)
            client = SimulatedClient(settings, site.clock, site.history)
            with pytest.raises(ManagementPointUnavailable):
                await client.register()
            await client.stop()
        async with site.database() as database:
            assert not await database.fetchval("SELECT count(*) FROM System_DISC")


async def test_who_makes_clients_enrols_them(tmp_path: Path) -> None:
    async with Site(find_topology("native"), data=tmp_path / "site", **PATIENT) as site:
        population = Population(site, tmp_path / "chaos", seed=1)
        clientele = Clientele(site, tmp_path / "scenario", {"PC02": {}}, seed=1, patience=10.0)
        for makers in population, clientele:
            await makers.prepare()
        try:
            await population.start("PC01")
            for client in population.alive["PC01"], await clientele.start("PC02"):
                assert (await client.register()).registered
            before = population.alive["PC01"].smsid
            await population.kill("PC01")
            await population.come_back("PC01")  # with the certificate it had
            assert (await population.alive["PC01"].register(force=True)).smsid == before
        finally:
            for makers in population, clientele:
                await makers.stop()


@pytest.mark.parametrize(
    ("row", "fault"), [("management_point", "failing"), ("distribution_point", "partitioned")]
)
async def test_rows_of_the_table(row: str, fault: str) -> None:
    plan = Plan(find_topology("native"), (failure_table().row(row),), fault=fault)
    document = make_document(await run(plan))
    assert {s["id"]: s["reasons"] for s in document["statements"] if s["verdict"] != "holds"} == {}
