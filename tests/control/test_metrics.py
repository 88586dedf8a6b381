"""Metrics as Prometheus reads them."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from emulator.control.metrics import Metrics, boxes, verdict
from emulator.site import Site
from fixtures.hosted_clients import HostedClients
from fixtures.topologies import find_topology

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


async def test_requests_queues_and_faults_of_a_site(tmp_path: Path) -> None:
    async with (
        Site(find_topology("one-computer"), data=tmp_path / "site", database_timeout=30) as site,
        HostedClients(site, 1, schedules_enabled=False, request_timeout=30) as clients,
    ):
        metrics = Metrics(site)
        mp = {"role": "management_point"}
        before = samples(metrics.text())
        assert value(before, "cmemu_role_up", **mp) == 1
        await site.break_("site_server")
        fault = await site.set_fault({"kind": "failing", "on": "distribution_point"})
        await clients.trigger("PC01", "1")
        await site.journal.expect(kind="hardware_inventory", role="management_point", within=60)
        found = samples(metrics.text())
        assert value(found, "cmemu_requests_total", kind="hardware_inventory", verdict="accepted", **mp) == 1
        assert value(found, "cmemu_request_seconds_count", **mp) >= 2
        assert value(found, "cmemu_queue_files", box="hinv.box", **mp) == 1
        assert value(found, "cmemu_queue_oldest_seconds", box="hinv.box", **mp) >= 0
        assert value(found, "cmemu_role_up", role="site_server") == 0
        its = {"id": fault, "kind": "failing", "on": "distribution_point"}
        assert value(found, "cmemu_fault_active", **its) == 1
        assert value(found, "cmemu_fault_hits_total", **its) == 1


def test_a_status_is_one_of_four_verdicts() -> None:
    told = [verdict(status) for status in (200, 302, 403, 500, None)]
    assert told == ["accepted", "accepted", "refused", "failed", "unanswered"]


def test_boxes_hold_what_counts_as_put(tmp_path: Path) -> None:
    box = tmp_path / "auth" / "dataldr.box"
    (box / "BADMIFS").mkdir(parents=True)
    (box / "000000000001-abc.MIF").write_text("")
    (box / "000000000002-abd.MIF.tmp").write_text("")
    (box / "BADMIFS" / "000000000003-abe.MIF").write_text("")
    (tmp_path / "empty.box").mkdir()
    assert [(name, len(since)) for name, since in boxes(tmp_path)] == [
        ("auth/dataldr.box", 1),
        ("empty.box", 0),
    ]
