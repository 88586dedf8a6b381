"""Runs that are to happen, on disk until the run that fulfils them has ended.

A wish is made when a user asks or an assigned time comes, in the same write that marks the
assigned time as dealt with. It ends in the same write that keeps the status message about
its end. So an outage or a kill neither loses a run nor makes two of one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from clients.ledger import Ledger
from clients.messaging import Messaging, QueuedMessage


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that is to happen."""

    wanted_id: str
    advertisement_id: str
    since: str  # site time, ISO
    assigned_time: str | None = None  # None: a user asked
    announced: bool = False  # the status message "waiting for content" is out
    cache_full: int = 0  # times the cache had no room
    failed: int = 0  # runs that ended with an exit code that may pass by itself
    not_before: str | None = None  # when the scheduler tries again; None: at once


class Wishes:
    """The wishes of one client; an advertisement has at most one."""

    def __init__(self, path: Path, messaging: Messaging) -> None:
        self._messaging = messaging
        self._ledger = Ledger(path, wanted={}, handled={})
        self._wishes = {key: Wish(**value) for key, value in self._ledger["wanted"].items()}

    def all(self) -> list[Wish]:
        """Oldest first."""
        return list(self._wishes.values())

    def get(self, wanted_id: str) -> Wish | None:
        return self._wishes.get(wanted_id)

    def of(self, advertisement_id: str) -> Wish | None:
        return next((w for w in self._wishes.values() if w.advertisement_id == advertisement_id), None)

    def is_handled(self, advertisement_id: str, due: datetime) -> bool:
        """Whether this assigned time, or a later one, was dealt with."""
        handled = self._ledger["handled"].get(advertisement_id)
        return handled is not None and due <= datetime.fromisoformat(handled)

    def handle(self, advertisement_id: str, due: datetime) -> None:
        """The assigned time is dealt with, without a run."""
        self._ledger.save(handled=self._ledger["handled"] | {advertisement_id: due.isoformat()})

    def make(self, wish: Wish, due: datetime | None) -> Wish:
        """Keep a wish, or find the one that is there already; ``due`` is dealt with by it."""
        held = self.of(wish.advertisement_id)
        if held is None:
            self._wishes[wish.wanted_id] = held = wish
        handled = self._ledger["handled"]
        if due is not None:
            handled = handled | {wish.advertisement_id: due.isoformat()}
        self._ledger.save(wanted=self._json(), handled=handled)
        return held

    async def change(self, wish: Wish, keep: Wish | None, *messages: QueuedMessage) -> None:
        """Replace or end a wish, together with the status messages that tell of it."""
        self._wishes.pop(wish.wanted_id, None)
        if keep is not None:
            self._wishes[keep.wanted_id] = keep
        await self._messaging.put_with(self._ledger, list(messages), wanted=self._json())

    async def tell(self, *messages: QueuedMessage) -> None:
        """Queue status messages about a wish that goes on."""
        await self._messaging.put_with(self._ledger, list(messages))

    async def recover(self) -> None:
        """Queue the status messages an earlier life of this client had only written down."""
        await self._messaging.recover(self._ledger)

    def _json(self) -> dict[str, object]:
        return {key: asdict(wish) for key, wish in self._wishes.items()}
