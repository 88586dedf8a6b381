"""Sites that do not fail as they should."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from emulator.site import Site
from emulator.site_server.site_server import SiteServer


class OneRoleLivesOn(Site):
    """When a computer with several roles fails, the last of them goes on."""

    async def break_(self, target: str, fault: str = "stopped") -> dict[str, str]:
        roles = self.topology.resolve(target)
        if len(roles) < 2:
            return await super().break_(target, fault)
        done: dict[str, str] = {}
        for role in roles[:-1]:
            done |= await super().break_(role.name, fault)
        return done


class EverythingFails(Site):
    """Whichever role is broken, all are."""

    async def break_(self, target: str, fault: str = "stopped") -> dict[str, str]:
        done: dict[str, str] = {}
        for name in self.roles:
            done |= await super().break_(name, fault)
        return done


class _ProviderOnly(SiteServer):
    """Answers administrators and does nothing else."""

    def components(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        return []


class SecondProvider(Site):
    """Has another provider somewhere, which goes on when the site server fails."""

    async def start(self) -> None:
        await super().start()
        own = self.settings("site_server")
        address = own.role.model_copy(update={"port": 0, "host": "127.0.0.1"})
        elsewhere = self.data / "second_provider"
        self._second = _ProviderOnly(own.model_copy(update={"role": address, "data": elsewhere}))
        await self._second.start()

    async def stop(self) -> None:
        if hasattr(self, "_second"):
            await self._second.stop()
        await super().stop()

    def url(self, target: str) -> str:
        if target == "site_server" and hasattr(self, "_second"):
            runner = self._second._runner
            assert runner is not None
            host, port = runner.addresses[0][:2]
            return f"http://{host}:{port}"
        return super().url(target)
