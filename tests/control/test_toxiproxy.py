"""A client library of Toxiproxy that shares no code with us drives the links of a site."""

import asyncio
import io
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from toxiproxy import Toxiproxy as ToxiproxyClient

from emulator.control.control_api import MAX_BODY
from emulator.control.toxiproxy import Toxiproxy
from emulator.errors import CannotStart
from emulator.site import Site
from fixtures.topologies import find_topology

LINK = "clients-to-management_point"
TOXICS = f"/proxies/{LINK}/toxics"
Ask = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.configmgr_site("four-computers", links=True, speed=1)


@asynccontextmanager
async def caller(url: str, authorization: str | None = None) -> AsyncIterator[Ask]:
    """Asks the API, and holds its refusals to their form."""
    headers = {"Authorization": authorization} if authorization else {}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def ask(method: str, path: str, body: Any = None) -> Any:
            async with http.request(method, url + path, json=body) as reply:
                answer: Any = await reply.json() if reply.status != 204 else None
                if reply.status >= 400:
                    assert (set(answer), answer["status"]) == ({"error", "status"}, reply.status)
                return answer

        yield ask


def acting(site: Site) -> list[Mapping[str, Any]]:
    return [fault.spec for fault in site.faults() if fault.active]


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
    with pytest.raises(OSError, match="refused"):
        seconds()
    proxy.enable()
    seconds()
    proxy.add_toxic(name="closed", type="timeout", stream="downstream", attributes={"timeout": 200})
    with pytest.raises(OSError, match="closed connection without response"):
        seconds()
    proxy.destroy_toxic("closed")
    proxy.add_toxic(type="slicer", stream="downstream", attributes={"average_size": 10, "delay": 10_000})
    assert seconds() >= 0.1
    proxy.destroy_toxic("slicer_downstream")
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
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        for method, path, body, status, said in (
            ("POST", "/proxies", {"name": "new"}, 409, "cannot be made"),
            ("DELETE", f"/proxies/{LINK}", None, 409, "or deleted"),
            ("POST", "/populate", [{"name": "new"}], 409, LINK),
            ("POST", "/populate", {}, 400, "valid array"),
            ("POST", "/populate", [{"name": LINK, "upstream": "10.0.0.1:80"}], 409, "upstream: "),
            ("GET", "/proxies/nobody", None, 404, LINK),
            ("POST", f"/proxies/{LINK}", {"enabled": "false"}, 400, "enabled: "),
            ("POST", f"/proxies/{LINK}", {"listen": "127.0.0.1:1", "enabled": False}, 409, "listen: "),
            ("PATCH", f"/proxies/{LINK}", [], 400, "an object"),
            ("GET", f"{TOXICS}/nothing", None, 404, "none"),
            ("POST", TOXICS, {"type": "slice"}, 400, "limit_data"),
            ("POST", TOXICS, {"type": "latency", "stream": "sideways"}, 400, "'upstream' or 'downstream'"),
            ("POST", TOXICS, {"type": "bandwidth", "attributes": {"rat": 5}}, 400, "valid: rate"),
            ("GET", "/nowhere", None, 404, "valid: /populate, /proxies"),
            ("PUT", f"/proxies/{LINK}", {}, 405, "valid: DELETE, GET, PATCH, POST"),
        ):
            answer = await ask(method, path, body)
            assert (answer["status"], said in answer["error"]) == (status, True), answer
        too_much = io.BytesIO(b"x" * (MAX_BODY + 1))
        async with aiohttp.request("POST", api.url + TOXICS, data=too_much) as reply:
            refusal = {"error": f"at most {MAX_BODY} bytes are accepted", "status": 413}
            assert (reply.status, await reply.json()) == (413, refusal)
        shown = await ask("GET", f"/proxies/{LINK}")
        assert (shown["enabled"], shown["toxics"]) == (True, [])


async def test_a_toxic_changes_and_a_wrong_change_leaves_it_as_it_is(site: Site) -> None:
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        toxic = {"type": "limit_data", "attributes": {"bytes": 9}}
        assert (await ask("POST", TOXICS, toxic))["name"] == "limit_data_downstream"
        assert (await ask("POST", TOXICS, toxic))["status"] == 409
        refused: tuple[Any, ...] = (
            {"attributes": {"bytes": -5}},
            {"toxicity": 5},
            {"stream": "upstream"},
            {"byte": 5},
            [],
        )
        for wrong in refused:
            assert (await ask("POST", f"{TOXICS}/limit_data_downstream", wrong))["status"] == 400
        (kept,) = await ask("GET", TOXICS)
        assert kept["attributes"] == {"bytes": 9}
        assert [spec["bytes"] for spec in acting(site)] == [9]
        change = {"attributes": {"bytes": 10}, "toxicity": 0.5}
        changed = await ask("POST", f"{TOXICS}/limit_data_downstream", change)
        assert (changed["attributes"], changed["toxicity"]) == ({"bytes": 10}, 0.5)
        assert [(spec["bytes"], spec["probability"]) for spec in acting(site)] == [(10, 0.5)]


async def test_two_that_add_the_same_toxic_set_one_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    set_at_once = site.set_fault

    async def set_fault(spec: Mapping[str, Any]) -> str:
        for _ in range(100):  # others have their turn meanwhile
            await asyncio.sleep(0)
        return await set_at_once(spec)

    monkeypatch.setattr(site, "set_fault", set_fault)
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        toxic = {"type": "latency", "attributes": {"latency": 5}}
        answers = await asyncio.gather(*(ask("POST", TOXICS, toxic) for _ in range(4)))
        assert sorted(answer.get("status", 200) for answer in answers) == [200, 409, 409, 409]
        assert len(acting(site)) == 1


async def test_a_toxic_without_effect_is_listed_and_no_fault(site: Site) -> None:
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        await ask("POST", TOXICS, {"type": "latency", "attributes": {"latency": 0}})
        await ask("POST", TOXICS, {"type": "timeout", "toxicity": 0})
        names = [toxic["name"] for toxic in await ask("GET", TOXICS)]
        assert names == ["latency_downstream", "timeout_downstream"]
        assert not acting(site)
        await ask("POST", f"{TOXICS}/latency_downstream", {"attributes": {"latency": 5}})
        assert [spec["seconds"] for spec in acting(site)] == [0.005]
        await ask("POST", f"{TOXICS}/latency_downstream", {"toxicity": 0})
        assert not acting(site)
        await ask("POST", "/reset")
        assert await ask("GET", TOXICS) == []


async def test_what_a_heal_has_lifted_is_a_toxic_no_longer(site: Site) -> None:
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        toxic = {"type": "latency", "attributes": {"latency": 5}}
        for heal in site.heal_everything, site.lift_faults:
            assert (await ask("POST", TOXICS, toxic))["name"] == "latency_downstream"
            await heal()
            assert (await ask("GET", f"/proxies/{LINK}"))["toxics"] == []
            assert await ask("GET", TOXICS) == []
            assert (await ask("GET", f"{TOXICS}/latency_downstream"))["status"] == 404


async def test_what_is_there_may_be_named_again_and_disabled(site: Site) -> None:
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        shown = await ask("GET", f"/proxies/{LINK}")
        saved = await ask("PATCH", f"/proxies/{LINK}", {**shown, "enabled": False})  # as Go's library does
        assert saved == {**shown, "enabled": False}
        populated = await ask("POST", "/populate", [{"name": LINK, "upstream": shown["upstream"]}])
        assert populated == {"proxies": [saved]}
        populated = await ask("POST", "/populate", [{"name": LINK, "enabled": True}])
        assert populated == {"proxies": [shown]}


async def test_what_was_cut_or_refused_elsewhere_is_disabled_and_can_be_enabled(site: Site) -> None:
    async with Toxiproxy(site) as api, caller(api.url) as ask:
        for _ in range(2):
            await site.cut("clients", "management_point")
            await site.set_fault({"kind": "refused", "on": "clients -> management_point"})
            assert (await ask("GET", f"/proxies/{LINK}"))["enabled"] is False
            assert (await ask("POST", f"/proxies/{LINK}", {"enabled": True}))["enabled"] is True
        assert not acting(site)


async def test_where_others_can_reach_it_the_token_is_asked_for(site: Site) -> None:
    cut = ("POST", f"/proxies/{LINK}", {"enabled": False})
    async with Toxiproxy(site, "0.0.0.0") as api:
        assert api.token
        url = api.url.replace("0.0.0.0", "127.0.0.1")
        for shown in (None, "Bearer wrong", f"Basic {api.token}", "Bearer \udcff"):
            async with caller(url, shown) as ask:
                answer = await ask(*cut)
                assert (answer["status"], "--toxiproxy-without-token" in answer["error"]) == (401, True)
                assert (await ask("GET", "/proxies"))["status"] == 401
                assert "version" in await ask("GET", "/version")
        async with caller(url, f"Bearer {api.token}") as ask:
            assert (await ask("GET", f"/proxies/{LINK}"))["enabled"] is True
            assert (await ask(*cut))["enabled"] is False
    async with Toxiproxy(site, "0.0.0.0", token="let me in") as api:
        assert api.token == "let me in"
    async with (
        Toxiproxy(site, "0.0.0.0", token="let me in", without_token=True) as api,
        caller(api.url.replace("0.0.0.0", "127.0.0.1")) as ask,
    ):
        assert (await ask("GET", f"/proxies/{LINK}"))["enabled"] is False


async def test_without_links_there_is_nothing_to_drive(tmp_path: Path) -> None:
    site = Site(find_topology("one-computer"), data=tmp_path / "site")
    with pytest.raises(CannotStart, match="--links"):
        async with Toxiproxy(site):
            pass
