"""A certificate that has expired is seen by whoever looks, and the old one comes back byte for byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from emulator.errors import ConfigMgrError, FaultRefused
from emulator.faults.registry import read_fault
from emulator.pki import Pki
from emulator.site import Site
from fixtures.topologies import find_topology
from tests.patience import PATIENT


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site(find_topology("one-computer"), speed=60, **PATIENT) as site:
        yield site


async def shown(site: Site, role: str) -> bytes:
    """The certificate a role shows to who trusts the site's authority."""
    address = site.roles[role]
    context = ssl.create_default_context(
        cafile=str(Pki(site.data / "pki", site.clock).authority_certificate())
    )
    _, writer = await asyncio.open_connection(address.host, address.https_port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(certificate)


async def test_an_expired_certificate(site: Site) -> None:
    before = await shown(site, "distribution_point")
    fault = await site.set_fault({"kind": "expired_certificate", "on": "distribution_point", "days": 2})
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        await shown(site, "distribution_point")
    assert (await site.probe("distribution_point", 5)).answers  # plain HTTP asks for no certificate
    await shown(site, "site_server")
    await site.lift_fault(fault)
    assert await shown(site, "distribution_point") == before


async def test_a_role_without_tls_has_no_certificate_to_expire(site: Site) -> None:
    with pytest.raises(FaultRefused, match="management_point does not answer TLS in this site"):
        await site.set_fault({"kind": "expired_certificate", "on": "management_point"})


async def test_a_skewed_clock_is_as_wrong_as_before_when_it_is_lifted(site: Site) -> None:
    await site.set_clock(skew={"management_point": 5.0})
    first = await site.set_fault({"kind": "skewed_clock", "on": "management_point", "seconds": -300})
    second = await site.set_fault({"kind": "skewed_clock", "on": "site_server", "seconds": 60})
    assert site.clock.settings.skew == {"management_point": -300.0, "site_server": 60.0}
    await site.lift_fault(first)
    await site.lift_fault(second)
    assert site.clock.settings.skew == {"management_point": 5.0}


async def test_a_clock_cannot_be_wrong_by_any_number_of_years(site: Site) -> None:
    with pytest.raises(ConfigMgrError, match="skew of management_point"):
        await site.set_fault({"kind": "skewed_clock", "on": "management_point", "seconds": 1e12})
    assert site.faults() == []


def test_a_clock_that_is_right_is_no_fault() -> None:
    with pytest.raises(FaultRefused, match="seconds: a clock that is ahead by nothing is right"):
        read_fault({"kind": "skewed_clock", "on": "MP1", "seconds": 0})
