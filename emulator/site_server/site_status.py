"""Status messages that the site itself raises, beside those of clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulator.site_database import status
from emulator.site_database.database import Session
from emulator.site_database.status import ERROR, INFORMATION, WARNING
from emulator.site_server.component import SiteServerPart

__all__ = [
    "DISTRIBUTION_POINT",
    "ERROR",
    "INFORMATION",
    "PACKAGE",
    "PACKAGE_VERSION",
    "WARNING",
    "SiteStatus",
]

PACKAGE, DISTRIBUTION_POINT, PACKAGE_VERSION = 400, 404, 410  # AttributeID


class SiteStatus:
    """The reporting function of one component."""

    def __init__(self, role: SiteServerPart, component: str) -> None:
        self._role = role
        self._component = component

    async def report(
        self,
        session: Session,
        message_id: int,
        strings: Sequence[str],
        attributes: Mapping[int, str],
        severity: int = INFORMATION,
    ) -> None:
        """Store one message, in the transaction that did what it reports."""
        settings = self._role.settings
        record = status.StatusRecord(
            message_id=message_id,
            time=self._role.clock.now(),
            module="SMS Server",
            component=self._component,
            machine=settings.role.computer,
            site_code=settings.site_code,
            severity=severity,
            strings=tuple(strings),
            attributes=attributes,
        )
        await status.store(session, record)
