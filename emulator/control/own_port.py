"""An API on a port of its own, beside a site: opened and left in order."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import Self

from aiohttp import web

from emulator.errors import CannotStart
from emulator.listening import listening_socket, stop_accepting


class OwnPort(ABC):
    """What answers there is the application that a subclass makes."""

    name: str  # as a refusal to start calls it

    def __init__(self, host: str, port: int) -> None:
        """Port 0 takes a free one."""
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None

    @abstractmethod
    def application(self) -> web.Application:
        """The routes and how errors are told.

        Raises:
            CannotStart: there is nothing to serve.
        """

    @property
    def url(self) -> str:
        """Where it answers."""
        assert self._listener
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Raises CannotStart: nothing to serve, the port is taken, or the address is not this machine's."""
        self._runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=1.0, handler_cancellation=True
        )
        await self._runner.setup()
        try:
            self._listener = listening_socket(self._host, self._port)
        except OSError as exc:
            await self._runner.cleanup()
            raise CannotStart(
                f"{self.name}: {self._host}:{self._port} cannot be opened ({exc.strerror})"
            ) from exc
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        if self._runner and self._listener:
            await stop_accepting([self._listener])
            await self._runner.cleanup()
            self._runner = self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
