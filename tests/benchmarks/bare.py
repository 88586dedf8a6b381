"""A bare aiohttp handler: reads the request, returns bytes from a file. What others are measured against.

``python -m tests.benchmarks.bare <file> <content type> <host> <port> <core>``
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web


async def serve(body: bytes, content_type: str, host: str, port: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, file, kind, address, number, core = sys.argv
    os.sched_setaffinity(0, {int(core)})
    asyncio.run(serve(Path(file).read_bytes(), kind, address, int(number)))
