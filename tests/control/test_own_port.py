"""A port of its own is opened, left, and said to be taken."""

import aiohttp
import pytest
from aiohttp import web

from emulator.addresses import own_hosts
from emulator.control.own_port import OwnPort
from emulator.errors import CannotStart

(HOST,) = own_hosts(1)


class Greeting(OwnPort):
    name = "greeting"

    def application(self) -> web.Application:
        async def greet(_: web.Request) -> web.Response:
            return web.Response(text="good day")

        app = web.Application()
        app.router.add_get("/", greet)
        return app


async def test_it_answers_while_it_is_open_and_comes_back_to_its_port() -> None:
    async with Greeting(HOST, 0) as first, aiohttp.ClientSession() as http:
        url, port = first.url, int(first.url.rpartition(":")[2])
        async with http.get(url) as reply:
            assert await reply.text() == "good day"
        await first.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url)
        async with Greeting(HOST, port) as again, http.get(again.url) as reply:
            assert again.url == url
            assert reply.status == 200


async def test_a_taken_port_is_said_by_name() -> None:
    async with Greeting(HOST, 0) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(CannotStart, match=f"greeting: {HOST}:{port} cannot be opened"):
            await Greeting(HOST, port).start()
