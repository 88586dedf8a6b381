"""What a parser costs for one message: ``python -m tests.benchmarks.parser``.

The choice behind ``ccm_post_parser``. Measured when it was made, microseconds for the head and body of a
message of 5.7 kB: aiohttp's C parser 6.5 (for a ``POST``; it refuses ``CCM_POST``), its Python parser 35, the
C parser with the verb disguised 16. For a policy GET: 4, 9, 8. One parser per path is no choice at all:
which path is asked for is known when the head has been parsed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from emulator.management_point.ccm_post_parser import CcmPostParser

TIMES, TURNS = 4000, 5
HEAD = (
    b"Host: 127.0.0.1:8080\r\nUser-Agent: ConfigMgr Messaging HTTP Sender\r\n"
    b'Content-Type: multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"\r\n'
)
MESSAGE = b"%s /ccm_system/request HTTP/1.1\r\n" + HEAD + b"Content-Length: 5706\r\n\r\n" + b"x" * 5706
GET = b"GET /SMS_MP/.sms_pol?{7C9E6679-7425-40DE-944B-E07FC1F90AE7}.2_00 HTTP/1.1\r\n" + HEAD + b"\r\n"
ROWS = [
    ("the Python parser, CCM_POST", HttpRequestParserPy, MESSAGE % b"CCM_POST"),
    ("the disguise, CCM_POST", CcmPostParser, MESSAGE % b"CCM_POST"),
    ("the C parser, POST", HttpRequestParser, MESSAGE % b"POST"),
    ("the Python parser, GET", HttpRequestParserPy, GET),
    ("the disguise, GET", CcmPostParser, GET),
    ("the C parser, GET", HttpRequestParser, GET),
]


class Connection:
    """As much of a connection as a parser wants to see."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


def microseconds(kind: Any, request: bytes, loop: asyncio.AbstractEventLoop) -> float:
    parser = kind(Connection(), loop, 2**16, auto_decompress=False)
    began = time.perf_counter()
    for _ in range(TIMES):
        messages, _, _ = parser.feed_data(request)
        assert messages
        parser.message_consumed()
    return (time.perf_counter() - began) / TIMES * 1e6


async def main() -> None:
    loop = asyncio.get_running_loop()
    taken: dict[str, list[float]] = {name: [] for name, _, _ in ROWS}
    for _ in range(TURNS):
        for name, kind, request in ROWS:
            taken[name].append(microseconds(kind, request, loop))
    for name, values in taken.items():
        print(f"{name}: {statistics.median(values):.1f} microseconds")


if __name__ == "__main__":
    asyncio.run(main())
