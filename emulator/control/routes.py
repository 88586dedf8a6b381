"""Every address of the control API."""

from __future__ import annotations

from emulator.control import models as m
from emulator.control.openapi import Route

BINARY = "application/octet-stream"
GET, POST, DELETE = "GET", "POST", "DELETE"
REFUSED = (404, 409, 422, 503)

ROUTES: tuple[Route, ...] = (
    Route(GET, "/openapi.json", "openapi", "This API, as OpenAPI 3.1", "application/json", open=True),
    Route(
        GET,
        "/health",
        "health",
        "How far the site and each role have come",
        m.Health,
        query=m.HealthQuery,
        problems=(503,),
        open=True,
    ),
    Route(GET, "/metrics", "metrics", "Metrics of every role, for Prometheus", "text/plain", open=True),
    Route(GET, "/topology", "topology", "Roles, computers and addresses", m.TopologyView),
    Route(GET, "/faults", "faults", "Every fault that was set, with its hits", m.Faults),
    Route(
        POST,
        "/faults",
        "set_fault",
        "Set a fault",
        m.FaultId,
        body=m.FaultTable,
        status=201,
        problems=REFUSED,
    ),
    Route(DELETE, "/faults", "lift_faults", "Lift every fault", m.Faults),
    Route(DELETE, "/faults/{fault}", "lift_fault", "Lift one fault", m.Done, problems=(422,)),
    Route(
        POST,
        "/roles/{target}/stop",
        "stop_role",
        "Stop a role or a computer in order",
        m.Done,
        problems=REFUSED,
    ),
    Route(
        POST, "/roles/{target}/kill", "kill_role", "SIGKILL to a role or a computer", m.Done, problems=REFUSED
    ),
    Route(
        POST, "/roles/{target}/hang", "hang_role", "SIGSTOP to a role or a computer", m.Done, problems=REFUSED
    ),
    Route(
        POST, "/roles/{target}/heal", "heal_role", "Bring a role or a computer back", m.Done, problems=REFUSED
    ),
    Route(POST, "/heal", "heal", "Bring everything back and lift every fault", m.Done, problems=(503,)),
    Route(GET, "/clock", "clock", "Site time", m.ClockView),
    Route(
        POST, "/clock", "set_clock", "Change speed, freeze, advance, skew", m.ClockView, body=m.ClockChange
    ),
    Route(GET, "/clients", "clients", "The clients that belong to the site", m.Clients),
    Route(
        POST,
        "/clients/{client}/trigger",
        "trigger",
        "Trigger a schedule of a client",
        m.ClientView,
        body=m.Trigger,
        waits=True,
    ),
    Route(
        POST, "/reset", "reset", "Back to the site's beginning", m.SnapshotView, problems=REFUSED, waits=True
    ),
    Route(GET, "/snapshots", "snapshots", "The snapshots there are", m.SnapshotList),
    Route(
        POST,
        "/snapshots",
        "save_snapshot",
        "Take a snapshot",
        m.SnapshotView,
        body=m.SnapshotName,
        status=201,
        problems=REFUSED,
        waits=True,
    ),
    Route(
        POST,
        "/snapshots/{name}/load",
        "load_snapshot",
        "Go back to a snapshot",
        m.SnapshotView,
        problems=REFUSED,
        waits=True,
    ),
    Route(
        DELETE,
        "/snapshots/{name}",
        "delete_snapshot",
        "Forget a snapshot",
        m.SnapshotList,
        problems=REFUSED,
        waits=True,
    ),
    Route(
        GET,
        "/history",
        "history",
        "What was done to the site, and what came of it",
        m.HistoryView,
        query=m.HistoryQuery,
    ),
    Route(GET, "/journal", "journal", "Messages that reached the roles", m.JournalView, query=m.JournalQuery),
    Route(
        GET, "/journal/count", "count", "How many messages reached the roles", m.Count, query=m.JournalQuery
    ),
    Route(
        POST,
        "/journal/expect",
        "expect",
        "Wait for messages, and verify how many came",
        m.JournalView,
        body=m.Expectation,
        problems=(417,),
        waits=True,
    ),
    Route(GET, "/journal/{role}/{number}/body", "body", "The decoded body of a message", BINARY),
    Route(
        POST,
        "/failure-table",
        "reproduce",
        "Reproduce the failure table on a site of its own",
        m.Report,
        body=m.ReproduceRequest,
        problems=(404,),
        waits=True,
    ),
)
