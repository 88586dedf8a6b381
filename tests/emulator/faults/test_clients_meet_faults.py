"""Real clients and a real site behind links: what a client makes of wrong bytes, and that none stay wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator.errors import ContentHashMismatch
from emulator.faults.registry import KINDS
from emulator.faults.wire_fault import WireFault
from emulator.protocol.software_distribution import SoftwareDistributionPolicy
from emulator.site import Site
from fixtures.administrator import Administrator
from fixtures.packages import PackageSource
from tests.emulator.faults.conftest import Enter
from tests.emulator.faults.relay import http_request

CLIENTS = "clients -> management_point"
CONTENT = "clients -> distribution_point"
SETTINGS = {
    "latency": {"seconds": 0.01}, "bandwidth": {"bytes_per_second": 10_000}, "slow_close": {"seconds": 0.01},
    "byte_limit": {"bytes": 10}, "sliced": {"bytes": 10},
}  # fmt: skip


async def asked(host: str, port: int, path: str) -> bytes:
    """Every byte of a reply but the time it was given at."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(http_request(path, b"", "Connection: close"))
    reply = await reader.read()
    writer.close()
    lines = reply.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date:"))


async def test_bytes_are_the_same_before_and_after_every_fault(site: Site) -> None:
    role = site.roles["management_point"]
    assert site.network
    link = next(k for arrow, k in site.network.links.items() if str(arrow) == CLIENTS)
    path = "/SMS_MP/.sms_aut?MPLIST"
    direct = await asked(role.host, role.port, path)
    assert await asked(link.host, link.port, path) == direct
    for kind, cls in KINDS.items():
        if not issubclass(cls, WireFault):
            continue
        fault = await site.set_fault({"kind": kind, "on": CLIENTS, **SETTINGS.get(kind, {})})
        await site.lift_fault(fault)
        assert await asked(link.host, link.port, path) == direct, kind


async def advertised(site: Site, smsid: str, folder: Path) -> None:
    async with Administrator(site.url("site_server"), site.secret) as administrator:
        package = await administrator.create_package("Faulty", PackageSource("faulty").write(folder, 1))
        await administrator.create_program(package)
        await administrator.distribute(package)
        await administrator.until_installed(package, 1)
        collection = await administrator.create_collection("One", [await administrator.resource_id(smsid)])
        await administrator.create_advertisement("Faulty", package, collection)


async def test_a_client_takes_no_wrong_policy_and_no_wrong_content(
    site: Site, enter: Enter, tmp_path: Path
) -> None:
    client = await enter("PC01")
    await advertised(site, client.smsid, tmp_path)
    agent = client.policy_agent

    # Its policy requests announce wrong hashes: it downloads, and takes none.
    wrong = await site.set_fault({"kind": "wrong_hash", "on": CLIENTS, "client": "PC01"})
    async with asyncio.timeout(20):
        while not agent.to_download:
            await agent.request_assignments(full=True)
            await asyncio.sleep(0.05)
    result = await agent.download_bodies()
    assert not result.downloaded
    assert all("hashes to" in reason for _, reason in result.failed)
    await site.lift_fault(wrong)
    await agent.request_assignments(full=True)

    # The hashes are right again and the bodies are wrong.
    flipped = await site.set_fault({"kind": "flipped_bytes", "on": CLIENTS, "client": "PC01", "offset": 77})
    assert not (await agent.download_bodies()).downloaded
    await site.lift_fault(flipped)
    assert not (await agent.download_bodies()).failed
    assert agent.policies
    (policy,) = client.execution_manager.policies().values()
    assert isinstance(policy, SoftwareDistributionPolicy)

    # The content has one wrong byte, and then none.
    spec = {"kind": "flipped_bytes", "on": CONTENT, "package": policy.package_id, "offset": 5000, "first": 1}
    fault = await site.set_fault(spec)
    with pytest.raises(ContentHashMismatch):
        await client.content_access.download(policy)
    assert [status.hits for status in site.faults() if status.id == fault] == [1]
    assert (await client.content_access.download(policy)).size
