"""The control API as a chaos script meets it: over HTTP, against a real site."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.control.control import Control
from emulator.control.control_api import ControlApi, is_loopback
from emulator.control.models import ClientView
from emulator.control.routes import ROUTES
from emulator.errors import ObjectNotFound
from emulator.role_host import InProcessHost
from emulator.site import Site
from fixtures.beside_the_site import reproduce
from fixtures.hosted_clients import HostedClients
from fixtures.topologies import find_topology

# What names something that nobody knows -> its status, and one that is valid there.
UNKNOWN: tuple[tuple[str, str, Any, int, str], ...] = (
    ("POST", "/clock", {"sped": 3}, 422, "speed"),
    ("POST", "/clock", {"skew": {"nobody": 1.0}}, 422, "management_point"),
    ("POST", "/clock", {"skew": {"site_database": 1.0}}, 422, "site_server"),
    ("POST", "/journal/expect", {"klient": "PC01"}, 422, "client"),
    ("POST", "/snapshots", {"nam": "now"}, 422, "name"),
    ("GET", "/health?stage=foo", None, 422, "database_reachable"),
    ("GET", "/journal?klient=PC01", None, 422, "client"),
    ("POST", "/roles/nobody/stop", None, 404, "management_point"),
    ("DELETE", "/faults/f99", None, 404, "failing-2"),
    ("POST", "/faults", {"kind": "sleepy", "on": "management_point"}, 422, "latency"),
    ("POST", "/faults", {"kind": "failing", "on": "nobody"}, 422, "management_point"),
    ("POST", "/faults", {"kind": "failing", "on": "management_point", "sped": 3}, 422, "duration"),
    ("POST", "/faults", {"kind": "reset", "on": "clients -> clients"}, 422, "management_point"),
    ("POST", "/faults", {"kind": "http_error", "on": "management_point", "endpoint": "x"}, 422, "inboxes"),
    ("POST", "/snapshots/later/load", None, 404, "kept"),
    ("DELETE", "/snapshots/later", None, 404, "kept"),
    ("GET", "/journal/nope/1/body", None, 404, "management_point"),
    ("GET", "/journal/management_point/99999/body", None, 404, "1"),
    ("POST", "/clients/PC07/trigger", {"schedule": "1"}, 404, "PC01"),
    ("POST", "/clients/PC01/trigger", {"schedule": "foo"}, 404, "{00000000-0000-0000-0000-000000000021}"),
    ("POST", "/clients/PC01/trigger", {"schedule": "²"}, 404, "{00000000-0000-0000-0000-000000000021}"),
    ("POST", "/failure-table", {"rows": ["nothing"]}, 404, "site_server"),
)  # fmt: skip


@dataclass
class Lab:
    """A site of one computer with two clients, and somebody who speaks to its control API."""

    site: Site
    api: ControlApi
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        async with self.http.request(method, self.api.url + path, json=body, params=query) as reply:
            is_json = "json" in reply.content_type
            return reply.status, await (reply.json() if is_json else reply.read())


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with (
        Site(find_topology("one-computer"), data=tmp_path / "site", database_timeout=30) as site,
        HostedClients(site, 2, schedules_enabled=False, request_timeout=30) as clients,
        ControlApi(Control(site, clients, reproduce)) as api,
        aiohttp.ClientSession() as http,
    ):
        yield Lab(site, api, http)


async def test_a_day_at_the_lab(lab: Lab) -> None:
    """One site for the whole story: starting one for each sentence would take a minute."""
    await looks_around(lab)
    await breaks_and_heals(lab)
    await turns_the_clock(lab)
    await asks_the_journal(lab)
    await goes_back(lab)
    await is_told_what_was_wrong(lab)


async def looks_around(lab: Lab) -> None:
    status, health = await lab.ask("GET", "/health")
    assert (status, health["stage"]) == (200, "ready")
    assert {role["role"] for role in health["roles"]} == set(lab.site.roles)
    status, topology = await lab.ask("GET", "/topology")
    assert status == 200
    assert topology["site_code"] == lab.site.site_code
    assert {role["offline"] for role in topology["roles"]} == {None}
    status, clients = await lab.ask("GET", "/clients")
    assert [client["name"] for client in clients["clients"]] == ["PC01", "PC02"]
    assert all(client["smsid"].startswith("GUID:") for client in clients["clients"])


async def breaks_and_heals(lab: Lab) -> None:
    status, done = await lab.ask("POST", "/roles/management_point/stop")
    assert (status, list(done["done"])) == (200, ["management_point"])
    status, health = await lab.ask("GET", "/health")
    assert (status, health["stage"]) == (503, "offline")
    assert (await lab.ask("GET", "/health", stage="offline"))[0] == 200
    (away,) = [role for role in health["roles"] if role["role"] == "management_point"]
    assert away["reason"] == "taken away: stopped"
    status, _ = await lab.ask("POST", "/clients/PC01/trigger", {"schedule": "21"})
    assert status == 503
    await lab.ask("POST", "/roles/management_point/heal")
    assert (await lab.ask("GET", "/health"))[0] == 200
    status, refused = await lab.ask("POST", "/roles/management_point/kill")
    assert status == 422
    assert "use --mode processes" in refused["detail"]
    status, hung = await lab.ask("POST", "/faults", {"kind": "failing", "on": "management_point"})
    assert status == 201
    _, faults = await lab.ask("GET", "/faults")
    (fault,) = faults["faults"]
    assert (fault["id"], fault["fault"]["kind"], fault["active"]) == (hung["id"], "failing", True)
    assert (await lab.ask("GET", "/health"))[0] == 503
    assert (await lab.ask("DELETE", f"/faults/{hung['id']}"))[0] == 200
    assert (await lab.ask("GET", "/health"))[0] == 200
    assert (await lab.ask("DELETE", "/faults/none"))[0] == 404
    await lab.ask("POST", "/faults", {"kind": "database_read_only", "on": "site_database"})
    await lab.ask("POST", "/roles/site_database/stop")
    assert (await lab.ask("POST", "/heal"))[0] == 200
    assert not any(f["active"] for f in (await lab.ask("GET", "/faults"))[1]["faults"])


async def turns_the_clock(lab: Lab) -> None:
    status, clock = await lab.ask("POST", "/clock", {"frozen": True, "advance": 3600.0})
    assert (status, clock["frozen"]) == (200, True)
    _, again = await lab.ask("GET", "/clock")
    assert again["site_time"] == clock["site_time"]
    await lab.ask("POST", "/clock", {"frozen": False, "speed": 2.0, "skew": {"management_point": 60.0}})
    _, clock = await lab.ask("GET", "/clock")
    assert (clock["speed"], clock["skew"]) == (2.0, {"management_point": 60.0})
    await lab.ask("POST", "/clock", {"speed": 1.0, "skew": {"management_point": 0.0}})


async def asks_the_journal(lab: Lab) -> None:
    assert (await lab.ask("POST", "/clients/PC02/trigger", {"schedule": "1"}))[0] == 200
    wanted = {"client": "PC02", "kind": "hardware_inventory", "role": "management_point"}
    status, found = await lab.ask("POST", "/journal/expect", wanted)
    assert status == 200
    (entry,) = found["entries"]
    _, body = await lab.ask("GET", f"/journal/management_point/{entry['number']}/body")
    assert b"<Report" in body
    assert (await lab.ask("GET", "/journal/count", **wanted))[1] == {"count": 1}
    assert (await lab.ask("GET", "/journal", limit="1"))[1]["entries"]
    any_of_it = {"role": "management_point", "times": 2}
    assert (await lab.ask("POST", "/journal/expect", any_of_it))[0] == 417  # more came
    status, found = await lab.ask("POST", "/journal/expect", {**any_of_it, "or_more": True})
    assert (status, len(found["entries"]) > 2) == (200, True)
    too_many = {**any_of_it, "times": 10000, "or_more": True, "within": 0}
    assert (await lab.ask("POST", "/journal/expect", too_many))[0] == 417
    status, missed = await lab.ask("POST", "/journal/expect", {**wanted, "client": "PC01", "within": 0})
    assert status == 417
    assert "closest:\n  hardware_inventory from PC02" in missed["detail"]
    assert (await lab.ask("GET", "/journal/management_point/99999/body"))[0] == 404
    _, history = await lab.ask("GET", "/history", who="operator", what="break")
    assert history["events"][0]["detail"]["target"] == "management_point"


async def goes_back(lab: Lab) -> None:
    status, taken = await lab.ask("POST", "/snapshots", {"name": "now"})
    assert (status, taken["name"], taken["clients"]) == (201, "now", True)
    assert (await lab.ask("POST", "/snapshots", {"name": "now"}))[0] == 409
    assert (await lab.ask("POST", "/snapshots/now/load"))[0] == 200
    assert (await lab.ask("GET", "/health"))[0] == 200
    assert (await lab.ask("POST", "/clients/PC01/trigger", {"schedule": "21"}))[0] == 200
    _, there = await lab.ask("GET", "/snapshots")
    assert [snapshot["name"] for snapshot in there["snapshots"]] == ["now"]
    assert (await lab.ask("DELETE", "/snapshots/now"))[1] == {"snapshots": [], "unusable": []}
    assert (await lab.ask("POST", "/snapshots/now/load"))[0] == 404


async def is_told_what_was_wrong(lab: Lab) -> None:
    async def told(method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        status, problem = await lab.ask(method, path, body, **query)
        assert problem["status"] == status
        return status, problem

    status, problem = await told("GET", "/nowhere")
    assert (status, "/topology" in problem["valid"]) == (404, True)
    status, problem = await told("PUT", "/faults")
    assert (status, problem["valid"]) == (405, ["DELETE", "GET", "POST"])
    status, problem = await told("GET", "/journal", computer="PC01")
    assert (status, "client" in problem["valid"]) == (422, True)
    status, problem = await told("POST", "/clock", {"pace": 3})
    assert (status, "pace" in problem["detail"]) == (422, True)
    status, problem = await told("POST", "/faults", {"kind": "sleepy", "on": "management_point"})
    assert (status, "latency" in problem["detail"]) == (422, True)
    status, problem = await told("POST", "/roles/nobody/stop")
    assert (status, "valid: " in problem["detail"]) == (404, True)
    async with lab.http.post(
        lab.api.url + "/clock", data=b"{", headers={"Content-Type": "application/json"}
    ) as reply:
        assert (reply.status, reply.content_type) == (400, "application/problem+json")
        assert "not JSON" in (await reply.json())["detail"]
    async with lab.http.post(lab.api.url + "/clock", data=b"speed=1") as reply:
        assert reply.status == 415


async def test_whoever_names_what_is_unknown_is_told_the_valid_names(lab: Lab) -> None:
    await lab.ask("POST", "/snapshots", {"name": "kept"})
    await lab.ask("POST", "/faults", {"kind": "failing", "on": "distribution_point"})
    await lab.ask("DELETE", "/faults/failing-1")
    await lab.ask("POST", "/faults", {"kind": "failing", "on": "distribution_point"})
    for method, path, body, expected, valid in UNKNOWN:
        status, problem = await lab.ask(method, path, body)
        assert (path, status, problem["status"]) == (path, expected, expected)
        assert valid in problem["valid"], (method, path, body, problem)


async def test_a_parameter_that_is_given_twice_is_refused_by_name(lab: Lab) -> None:
    status, problem = await lab.ask("GET", "/journal?client=a&limit=1&client=b")
    assert (status, problem["detail"].partition(";")[0]) == (422, "more than once in the query: client")


async def test_a_failure_that_nobody_thought_of_is_told_like_any_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Control) -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(Control, "topology", broken)
    status, problem = await lab.ask("GET", "/topology")
    assert (status, problem["status"]) == (500, 500)
    assert "nobody thought of this" in problem["detail"]
    assert "KeyError" in caplog.text


class SlowClients:
    """Clients that go back when they are let."""

    def __init__(self) -> None:
        self.state = "before"
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    def views(self) -> list[ClientView]:
        return []

    async def trigger(self, client: str, schedule: str) -> ClientView:
        raise ObjectNotFound

    async def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)

    async def load(self, folder: Path) -> None:
        self.begun.set()
        await self.go.wait()
        self.state = "again"


async def hang_up(asking: asyncio.Task[Any], api: ControlApi) -> None:
    """Break a request off, and wait until the API has seen it."""
    asking.cancel()
    await asyncio.wait([asking])
    assert api._runner
    assert api._runner.server
    while any(at.connected for at in api._runner.server.connections):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


async def test_who_hangs_up_while_a_role_stops_finds_it_stopped(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    stop = InProcessHost.stop

    async def slow(host: InProcessHost) -> str:
        begun.set()
        await go.wait()
        return await stop(host)

    with monkeypatch.context() as patch:
        patch.setattr(InProcessHost, "stop", slow)
        asking = asyncio.create_task(lab.http.post(lab.api.url + "/roles/management_point/stop"))
        await begun.wait()
        await hang_up(asking, lab.api)
        go.set()
        await lab.api.stop()  # waits for what is at work
    assert lab.site.broken == {"management_point": "stopped"}
    assert await lab.site.heal() != {}
    assert (await lab.site.probe("management_point")).answers


async def test_who_hangs_up_during_a_reset_leaves_a_site_that_is_whole(tmp_path: Path) -> None:
    async with (
        Site(find_topology("one-computer"), data=tmp_path / "site", database_timeout=30) as site,
        aiohttp.ClientSession() as http,
    ):
        clients = SlowClients()
        control = Control(site, clients)
        await control.prepare()
        async with ControlApi(control) as api:
            asking = asyncio.create_task(http.post(f"{api.url}/reset"))
            await clients.begun.wait()
            await hang_up(asking, api)
            clients.go.set()
            await api.stop()  # waits for what is at work
            assert clients.state == "again"
        assert all([(await site.probe(role)).answers for role in site.roles])


async def test_the_document_names_every_route_and_only_those(lab: Lab) -> None:
    status, document = await lab.ask("GET", "/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    own = document["paths"]["/openapi.json"]["get"]["responses"]["200"]["content"]
    assert own == {"application/json": {"schema": {"type": "object"}}}
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert there == {(route.method, route.path) for route in ROUTES}


def test_what_only_this_machine_reaches() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.3.4.5", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "lab.test"))


async def test_where_others_can_reach_it_there_is_no_control_without_the_token(tmp_path: Path) -> None:
    async with (
        Site(find_topology("one-computer"), data=tmp_path / "site", database_timeout=30) as site,
        ControlApi(Control(site), "0.0.0.0") as api,
        aiohttp.ClientSession() as http,
    ):
        assert api.token
        url = api.url.replace("0.0.0.0", "127.0.0.1")
        async with http.get(f"{url}/health") as reply:
            assert reply.status == 200
        async with http.post(f"{url}/roles/management_point/stop") as reply:
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert site.broken == {}
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /topology HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"401"  # not text, and no token
        writer.close()
        async with http.get(f"{url}/topology", headers={"Authorization": f"Bearer {api.token}"}) as reply:
            assert reply.status == 200
