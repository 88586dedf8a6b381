"""Serving ``CCM_POST``: aiohttp's C parser answers this verb with 400 before any handler sees it.

Only the management point is served with the parser that takes it; the other roles keep aiohttp's.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from emulator.management_point.ccm_post_parser import CcmPostParser


class CcmPostHandler(RequestHandler):
    """One connection."""

    def __init__(self, manager: Server, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(manager, loop=loop, **kwargs)
        parser: Any = CcmPostParser(
            self,
            loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_headers=self.max_headers,
            max_field_size=self.max_field_size,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,  # what is signed is what was sent
            max_msg_queue_size=self._max_msg_queue_size,
        )
        self._parser = parser


class CcmPostServer(Server):
    """Makes such connections for an application."""

    def __call__(self) -> RequestHandler:
        return CcmPostHandler(self, loop=self._loop, **self._kwargs)


class CcmPostRunner(web.AppRunner):
    """Runs an application on a server that takes ``CCM_POST``."""

    async def _make_server(self) -> Server:
        made = await super()._make_server()
        return CcmPostServer(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
