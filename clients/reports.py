"""The header every report of a client carries."""

from __future__ import annotations

from clients.identity import Identity
from clients.settings import ClientSettings
from emulator.clock import Clock
from emulator.protocol.report import ReportHeader


class ReportHeaders:
    """Makes headers in one client's name."""

    def __init__(self, settings: ClientSettings, identity: Identity, clock: Clock) -> None:
        self._settings = settings
        self._identity = identity
        self._clock = clock

    def make(
        self, content: str, report_type: str, version: str, action_id: str, action_description: str
    ) -> ReportHeader:
        """A header with the client's identity and the site's time."""
        return ReportHeader(
            client_id=self._identity.smsid,
            client_version=self._settings.client_version,
            netbios_name=self._settings.name,
            report_content=content,
            report_type=report_type,
            version=version,
            date=self._clock.now(),
            action_id=action_id,
            action_description=action_description,
        )
