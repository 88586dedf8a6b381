"""What of a client's doings stands in which of the product's logs: a table, read by the client's journal.

Agents tell their journal what they do. A few of those words are what an administrator looks for, and make
lines under the product's names: ``PolicyAgent.log``, ``CAS.log``, ``CcmMessaging.log``. A line about a
message carries its id, by which the lines of the management point, of mpfdm and of the loader are found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from emulator.clock import Clock
from emulator.logs import get_logger, lines_tell_time

Moment = Literal["begun", "done", "failed", "noted"]
Detail = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What is written at one moment of one of the journal's words."""

    what: str
    moment: Moment
    text: str
    shows: str = ""  # names of details, a space between two
    level: int = logging.INFO
    when: Callable[[Detail], bool] = lambda _: True  # whether it is this one, by what is told at that moment


def _is(name: str, *values: object) -> Callable[[Detail], bool]:
    return lambda detail: detail.get(name) in values


def _has(name: str) -> Callable[[Detail], bool]:
    return lambda detail: bool(detail.get(name))


def _same(one: str, other: str) -> Callable[[Detail], bool]:
    return lambda detail: bool(detail.get(one) == detail.get(other))


_WARNING, _ERROR = logging.WARNING, logging.ERROR
_WHY = "seen status"  # what an operation that failed has
_RUN = "advertisement_id package_id program_name run_id"
_CONTENT = "package_id version"

# Of the lines of one word at one moment, the first that applies is written.
COMPONENTS: dict[str, tuple[Line, ...]] = {
    "CcmExec": (
        Line("client_started", "noted", "client started", "smsid registered"),
        Line("client_stopped", "noted", "client stopped"),
    ),
    "Scheduler": (
        Line("schedule_triggered", "noted", "schedule triggered", "schedule"),
        Line("schedule_failed", "noted", "activity failed", "schedule seen", _WARNING),
        Line("schedule_broken", "noted", "activity broke off", "schedule error seen", _ERROR),
    ),
    "ClientIDManagerStartup": (
        Line("register", "begun", "registering", "message_id smsid url"),
        Line("register", "done", "registered", "message_id smsid", when=_is("response_status", 0)),
        Line("register", "done", "not registered", "message_id smsid response_status", _WARNING),
        Line("register", "failed", "registration not answered", f"message_id {_WHY}", _WARNING),
    ),
    "LocationServices": (
        Line("find_distribution_points", "begun", "asking where content is", f"message_id {_CONTENT}"),
        Line(
            "find_distribution_points",
            "done",
            "content found",
            f"message_id {_CONTENT} locations",
            when=_has("locations"),
        ),
        Line("find_distribution_points", "done", "content is nowhere", f"message_id {_CONTENT}", _WARNING),
        Line(
            "find_distribution_points",
            "failed",
            "content location not answered",
            f"message_id {_CONTENT} {_WHY}",
            _WARNING,
        ),
        Line("refresh_management_points", "done", "management points", "management_points"),
        Line("refresh_management_points", "failed", "management points not told", _WHY, _WARNING),
    ),
    "PolicyAgent": (
        Line("request_policy_assignments", "begun", "requesting assignments", "message_id request_type"),
        Line(
            "request_policy_assignments",
            "done",
            "assignments received",
            "message_id reply_type assigned withdrawn",
        ),
        Line(
            "request_policy_assignments",
            "failed",
            "assignments not received, every policy is kept",
            f"message_id {_WHY}",
            _WARNING,
        ),
        Line("request_policy_body", "done", "policy body downloaded", "policy bytes"),
        Line("request_policy_body", "failed", "policy body not downloaded", f"policy {_WHY}", _WARNING),
        Line("policy_in_force", "noted", "policy in force", "policy_id version category"),
        Line("policy_gone", "noted", "policy no longer in force", "policy_id version"),
        Line("policy_refused", "noted", "assignment not believed", "policy action seen", _ERROR),
        Line("policy_expired", "noted", "no reply for too long, all policy is removed", "policies", _WARNING),
    ),
    "CAS": (
        Line("content_verified", "noted", "content verified", _CONTENT, when=_same("announced", "found")),
        Line("content_verified", "noted", "content was changed", f"{_CONTENT} announced found", _WARNING),
        Line("cache_removed", "noted", "content removed from the cache", f"{_CONTENT} reason"),
        Line("prefetch_failed", "noted", "content not brought in advance", "package_id seen", _WARNING),
    ),
    "ContentTransferManager": (
        Line(
            "download_content",
            "begun",
            "download resumed",
            f"{_CONTENT} url started_at_byte",
            when=_has("started_at_byte"),
        ),
        Line("download_content", "begun", "download started", f"{_CONTENT} url"),
        Line("download_content", "done", "content downloaded", f"{_CONTENT} url bytes_total"),
        Line(
            "download_content",
            "failed",
            "what arrived is not what the policy announced, it is thrown away",
            f"{_CONTENT} url {_WHY}",
            _ERROR,
            when=_is("error", "ContentHashMismatch"),
        ),
        Line(
            "download_content",
            "failed",
            "download broke off, what arrived is kept",
            f"{_CONTENT} url bytes_done bytes_total {_WHY}",
            _WARNING,
        ),
    ),
    "execmgr": (
        Line("program", "begun", "program started", _RUN),
        Line("program", "done", "program ended", f"{_RUN} exit_code", when=_is("result", "succeeded")),
        Line("program", "done", "program failed", f"{_RUN} exit_code", _WARNING),
        Line("program", "failed", "program broke off", f"{_RUN} {_WHY}", _ERROR),
        Line("run_recovered", "noted", "run of an earlier life ended", "run_id result", _WARNING),
        *(
            line
            for reason in ("run_program", "run_assigned_program", "run_waiting_program")
            for line in (
                Line(
                    reason,
                    "done",
                    "program waits for its content",
                    "advertisement_id detail",
                    when=_is("state", "waits_for_content"),
                ),
                Line(
                    reason,
                    "done",
                    "program not run",
                    "advertisement_id state detail",
                    _WARNING,
                    when=lambda detail: detail.get("state") != "ran",
                ),
            )
        ),
    ),
    "InventoryAgent": (
        Line(
            "collected",
            "noted",
            "report made",
            "kind report_type version instances message_id",
            when=_is("kind", "hardware_inventory", "software_inventory", "discovery"),
        ),
    ),
    "SWMTRReportGen": (
        Line("collected", "noted", "report made", "usages message_id", when=_is("kind", "metering")),
    ),
    "StateMessage": (
        Line("collected", "noted", "state message made", "serial message_id", when=_is("kind", "state")),
    ),
    "StatusAgent": (Line("status_made", "noted", "status message made", "event_class number message_id"),),
    "CcmMessaging": (
        Line("queued", "noted", "report queued", "kind message_id"),
        Line("send_report", "begun", "sending report", "kind message_id endpoint url"),
        Line("send_report", "done", "report acknowledged", "kind message_id uploaded"),
        Line("kept", "noted", "report not acknowledged, it is kept", "kind message_id seen", _WARNING),
        Line("set_aside", "noted", "report refused for good, it is set aside", "message_id seen", _ERROR),
        Line("message_expired", "noted", "report deleted, it waited too long", "message_id queued", _WARNING),
    ),
}

_Written = tuple[Line, Any, tuple[str, ...]]  # with its logger and the names it shows


def _by_word() -> dict[tuple[str, str], list[_Written]]:
    table: dict[tuple[str, str], list[_Written]] = {}
    for component, lines in COMPONENTS.items():
        log = get_logger(component).bind()  # what it is asked most is whether anybody listens: quickly
        for line in lines:
            table.setdefault((line.what, line.moment), []).append((line, log, tuple(line.shows.split())))
    return table


_LINES = _by_word()


class ComponentLogs:
    """One client's lines, each with its name and dated with its clock."""

    def __init__(self, client: str, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def tell(self, what: str, moment: Moment, told: Detail, before: Detail | None = None) -> None:
        """Write the line that this makes, if it makes one and anybody listens.

        ``before``: what was told when the operation began.
        """
        for line, log, shows in _LINES.get((what, moment), ()):
            if line.when(told):
                if log.isEnabledFor(line.level):
                    self._write(line, log, shows, {**before, **told} if before else told)
                return

    def _write(self, line: Line, log: Any, shows: tuple[str, ...], told: Detail) -> None:
        values = {name: told[name] for name in shows if told.get(name) is not None}
        with lines_tell_time(self._clock.now, self._client):
            log.log(line.level, line.text, client=self._client, **values)
