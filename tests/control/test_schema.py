"""The control API keeps to its own OpenAPI document, whatever it is sent."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import requests
import schemathesis
from schemathesis.checks import CHECKS

from emulator.control.control import Control
from emulator.control.control_api import ControlApi
from emulator.control.models import ReproduceRequest
from emulator.site import Site
from fixtures.hosted_clients import HostedClients
from fixtures.topologies import find_topology

KEPT = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
EXAMPLES = 6  # for each operation; a stop or a snapshot takes its time
RIGHT_AGAIN = {"frozen": False, "speed": 1.0}


async def no_failure_table(asked: ReproduceRequest) -> dict[str, Any]:
    """What a report looks like, without the quarter of a minute that a real one takes."""
    return {"succeeded": True, "rows": asked.rows}


def ask_everything(url: str) -> int:
    """Every operation with good and bad input; returns how many requests were sent."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    checks = CHECKS.get_by_names(KEPT)
    sent = 0

    def try_operation(operation: Any) -> None:
        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy())
        def one(case: Any) -> None:
            nonlocal sent
            if case.path == "/journal/expect" and isinstance(case.body, dict):
                case.body["within"] = 0.05  # nobody here has ten minutes
            reply = case.call(base_url=url)
            sent += 1
            case.validate_response(reply, checks=checks)
            assert reply.status_code != 500, (case.as_curl_command(), reply.text)

        one()
        requests.post(f"{url}/clock", json=RIGHT_AGAIN, timeout=10)
        requests.post(f"{url}/heal", timeout=30)

    for each in schema.get_all_operations():
        try_operation(each.ok())
    return sent


async def test_every_answer_is_one_that_the_document_names(tmp_path: Path) -> None:
    async with (
        Site(find_topology("one-computer"), data=tmp_path / "site") as site,
        HostedClients(site, 1, schedules_enabled=False) as clients,
    ):
        control = Control(site, clients, no_failure_table)
        await control.prepare()
        async with ControlApi(control) as api:
            # In a process of its own: Python 3.11 parses source in one thread at a time or miscounts, and
            # schemathesis parses much of it while the site of this process may have to show a traceback.
            spawning = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawning) as asking:
                sent = await asyncio.get_running_loop().run_in_executor(asking, ask_everything, api.url)
            assert sent > 60
