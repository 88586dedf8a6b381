"""Prometheus metrics of every role: read from outside, so that one place has them whatever runs where.

Requests are counted from the journals, queues from the spool folders, faults from the site. Counters begin
when the control API does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emulator.control.journal import Follower
from emulator.site import Site
from emulator.spool import is_held

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUEUES = {"management_point": "outboxes", "site_server": "inboxes"}
OTHER = "other"


class Metrics:
    """What a scrape of the control API shows."""

    def __init__(self, site: Site) -> None:
        self._follower: Follower = site.journal.follow()
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cmemu_requests",
            "Messages that reached a role, by what they were and how they were answered",
            ["role", "kind", "verdict"],
            registry=self._registry,
        )
        self._bytes = Counter(
            "cmemu_request_bytes", "Bytes of the bodies that came", ["role"], registry=self._registry
        )
        self._seconds = Histogram(
            "cmemu_request_seconds",
            "From a request's head to its answer",
            ["role"],
            registry=self._registry,
        )
        self._bodies = Counter(
            "cmemu_policy_bodies", "Policy bodies served, by where they came from", ["role", "source"],
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Looked(site))

    def text(self) -> bytes:
        """The metrics now, in Prometheus' text format."""
        for entry in self._follower.new():
            fields = entry.fields
            role = fields["role"]
            kind = str(fields.get("kind") or fields.get("endpoint") or OTHER)
            self._requests.labels(role, kind, verdict(fields.get("status"))).inc()
            self._bytes.labels(role).inc(fields.get("bytes_in") or 0)
            self._seconds.labels(role).observe(fields["seconds"])
            if fields.get("source"):
                self._bodies.labels(role, fields["source"]).inc()
        return generate_latest(self._registry)


def verdict(status: int | None) -> str:
    """How a message was answered: accepted, refused, failed, or not at all."""
    if status is None:
        return "unanswered"
    return "accepted" if status < 400 else "refused" if status < 500 else "failed"


class _Looked(Collector):
    """What is looked at anew for every scrape."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        yield from self._queues()
        up = GaugeMetricFamily("cmemu_role_up", "1 while nobody has taken the role away", labels=["role"])
        for role in self._site.roles:
            up.add_metric([role], 0 if role in self._site.broken else 1)
        yield up
        active = GaugeMetricFamily("cmemu_fault_active", "1 while it is set", labels=["id", "kind", "on"])
        hits = CounterMetricFamily("cmemu_fault_hits", "How often it struck", labels=["id", "kind", "on"])
        for fault in self._site.faults():
            labels = [fault.id, str(fault.spec["kind"]), str(fault.spec["on"])]
            active.add_metric(labels, int(fault.active))
            hits.add_metric(labels, fault.hits)
        yield active
        yield hits

    def _queues(self) -> Iterator[Metric]:
        files = GaugeMetricFamily("cmemu_queue_files", "Reports that wait in a box", labels=["role", "box"])
        oldest = GaugeMetricFamily(
            "cmemu_queue_oldest_seconds", "How long the oldest of them has waited", labels=["role", "box"]
        )
        for role in self._site.roles.values():
            queues = QUEUES.get(role.kind)
            if queues is None:
                continue
            root = self._site.folder(role.name) / queues
            for box, since in boxes(root):
                files.add_metric([role.name, box], len(since))
                oldest.add_metric([role.name, box], max(0.0, time.time() - min(since)) if since else 0.0)
        yield files
        yield oldest


def boxes(root: Path) -> Iterator[tuple[str, list[float]]]:
    """Every box below a folder, by its path, and since when (real seconds) each file of it has waited."""
    for folder in sorted(path for path in root.rglob("*") if path.is_dir()):
        if any(part in ("BADMIFS", "corrupt", "rejected") for part in folder.parts):
            continue
        waiting = []
        for file in folder.iterdir():
            if is_held(file.name):
                try:
                    waiting.append(file.stat().st_mtime)
                except FileNotFoundError:
                    continue  # it has just left
        if waiting or not any(child.is_dir() for child in folder.iterdir()):
            yield folder.relative_to(root).as_posix(), waiting
