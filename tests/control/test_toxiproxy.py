"""A client library of Toxiproxy that shares no code with us drives the links of a site."""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from toxiproxy import Toxiproxy as ToxiproxyClient

from emulator.control.toxiproxy import Toxiproxy
from emulator.errors import CannotStart
from emulator.site import Site
from fixtures.topologies import find_topology

LINK = "clients-to-management_point"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(find_topology("four-computers"), data=tmp_path / "site", links=True) as running:
        yield running


def drive(url: str, health: str) -> None:
    """What a chaos script does, in its own process's way: one call after the other."""

    def seconds() -> float:
        began = time.monotonic()
        urllib.request.urlopen(health, timeout=20).read()
        return time.monotonic() - began

    client = ToxiproxyClient()
    host, port = url.removeprefix("http://").split(":")
    client.update_api_consumer(host, int(port))
    assert client.version()
    assert LINK in client.proxies()
    proxy = client.get_proxy(LINK)
    assert proxy.enabled
    seconds()
    proxy.add_toxic(type="latency", stream="downstream", attributes={"latency": 700})
    assert seconds() >= 0.7
    (toxic,) = client.get_proxy(LINK).toxics().values()
    assert (toxic.name, toxic.attributes) == ("latency_downstream", {"latency": 700})
    proxy.destroy_toxic("latency_downstream")
    assert not client.get_proxy(LINK).toxics()
    proxy.disable()
    with pytest.raises(OSError):
        urllib.request.urlopen(health, timeout=0.5)
    proxy.enable()
    seconds()
    proxy.add_toxic(name="gone", type="reset_peer", attributes={"timeout": 0})
    with pytest.raises(OSError):
        seconds()
    client.reset()
    seconds()


async def test_a_client_library_drives_the_links(site: Site) -> None:
    async with Toxiproxy(site) as api:
        health = site.url("management_point") + "/SMS_MP/.sms_aut?MPLIST"
        await asyncio.to_thread(drive, api.url, health)
    assert not [fault for fault in site.faults() if fault.active]


async def test_what_cannot_be_is_refused_in_toxiproxy_s_own_form(site: Site) -> None:
    async with Toxiproxy(site) as api, aiohttp.ClientSession() as http:

        async def told(method: str, path: str, body: Any = None) -> tuple[int, str]:
            async with http.request(method, api.url + path, json=body) as reply:
                answer = await reply.json()
                assert answer["status"] == reply.status
                return reply.status, answer["error"]

        toxics = f"/proxies/{LINK}/toxics"
        assert (await told("POST", "/proxies", {"name": "new"}))[0] == 409
        assert (await told("DELETE", f"/proxies/{LINK}"))[0] == 409
        assert (await told("POST", "/populate", [{"name": "new"}]))[0] == 409
        status, error = await told("GET", "/proxies/nobody")
        assert (status, LINK in error) == (404, True)
        assert (await told("GET", f"{toxics}/nothing"))[0] == 404
        status, error = await told("POST", toxics, {"type": "slicer"})
        assert (status, "limit_data" in error) == (400, True)
        assert (await told("POST", toxics, {"type": "latency", "stream": "sideways"}))[0] == 400
        for patient in "timeout", "reset_peer":
            assert (await told("POST", toxics, {"type": patient, "attributes": {"timeout": 1000}}))[0] == 400
        assert (await told("POST", toxics, {"type": "latency", "attributes": {"latency": -1}}))[0] == 400
        async with http.post(
            api.url + toxics, json={"type": "limit_data", "attributes": {"bytes": 9}}
        ) as reply:
            assert reply.status == 200
        assert (await told("POST", toxics, {"type": "limit_data"}))[0] == 409
        change = {"attributes": {"bytes": 10}, "toxicity": 0.5}
        async with http.post(f"{api.url}{toxics}/limit_data_downstream", json=change) as reply:
            assert (await reply.json())["attributes"] == {"bytes": 10}
        (active,) = [fault for fault in site.faults() if fault.active]
        assert (active.spec["bytes"], active.spec["probability"]) == (10, 0.5)


async def test_without_links_there_is_nothing_to_drive(tmp_path: Path) -> None:
    site = Site(find_topology("one-computer"), data=tmp_path / "site")
    with pytest.raises(CannotStart, match="--links"):
        async with Toxiproxy(site):
            pass
