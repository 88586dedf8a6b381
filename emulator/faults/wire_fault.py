"""A fault on a link: which exchanges it touches, how often, and what it does to their bytes.

The unit that is selected and counted is the exchange: one HTTP request with its reply, or one
connection to the site database.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from pydantic import Field, field_validator

from emulator.errors import MalformedMessage
from emulator.faults.exchange import Exchange, Piece
from emulator.faults.fault import Fault
from emulator.protocol.names import normalize_smsid

if TYPE_CHECKING:
    from emulator.faults.connection import Connection

Direction = Literal["requests", "replies"]
Send = Callable[[Piece], Awaitable[None]]

# Which requests can be told apart by which of them, and where they pass: ``traffic.py``.
SELECTORS = ("client", "category", "policy", "package", "endpoint")
PACKAGE_ID = re.compile(r"[A-Z0-9]{3}[0-9A-F]{5}", re.IGNORECASE)

# What messages to a management point are for, and the places of requests without a message.
ENDPOINTS = (
    "MP_ClientRegistration", "MP_PolicyManager", "MP_LocationManager", "MP_ClientIdManager",
    "MP_DdrEndpoint", "MP_HinvEndpoint", "MP_SinvEndpoint", "MP_SinvCollFileEndpoint", "StatusReceiver",
    "MP_RelayEndpoint",
)  # fmt: skip


class Known(Protocol):
    """What the site knows and a request does not say."""

    async def client_name(self, smsid: str) -> str: ...
    async def policy_category(self, policy_id: str) -> str: ...


class WireFault(Fault):
    """Something that goes wrong on the way between two parts of a site."""

    http_only: ClassVar[bool] = False  # needs requests and replies; never on a link to the database
    touches: ClassVar[tuple[str, ...]] = ()  # the endpoints and places it has an effect on; empty: everything

    role: str | None = Field(default=None, min_length=1, description="only links that lead to this role")
    client: str | None = Field(
        default=None,
        min_length=1,
        description="only requests of this client: its name, or GUID:... (management point)",
    )
    endpoint: str | None = Field(
        default=None, min_length=1, description="only requests for this endpoint or place"
    )
    category: str | None = Field(
        default=None, min_length=1, description="only bodies of policies of this category"
    )
    policy: str | None = Field(
        default=None, min_length=1, description="only bodies of the policy with this id"
    )
    package: str | None = Field(
        default=None, description="only content of the package with this id (distribution point)"
    )
    skip: int = Field(default=0, ge=0, description="the first so many selected ones pass unharmed")
    every: int = Field(default=1, ge=1, description="of those after that, only each so-manieth")
    probability: float = Field(
        default=1.0, gt=0, le=1, description="of those, only so large a part, by chance"
    )
    first: int | None = Field(default=None, ge=1, description="after so many hits it is spent")
    seed: int = Field(default=0, description="where its chance begins")

    @field_validator("package")
    @classmethod
    def _can_be_one(cls, package: str | None) -> str | None:
        if package is not None and not PACKAGE_ID.fullmatch(package):
            raise ValueError("no package has such an id; valid: a site code and five digits, like S0100001")
        return package

    @property
    def selects(self) -> list[str]:
        """The selectors that are set."""
        return [name for name in SELECTORS if getattr(self, name) is not None]

    async def selects_exchange(self, exchange: Exchange, known: Known) -> bool:
        """Whether every selector that is set fits this exchange."""
        for mine, its in (
            (self.endpoint, exchange.endpoint),
            (self.policy and self.policy.strip("{}"), exchange.policy_id.strip("{}")),
            (self.package, exchange.package_id),
        ):
            if mine is not None and mine.casefold() != its.casefold():
                return False
        if self.client is not None and not await self._is_from(self.client, exchange, known):
            return False
        if self.category is None:
            return True
        policy = exchange.policy_id
        category = await known.policy_category(policy) if policy else None
        return category is not None and category.casefold() == self.category.casefold()

    async def _is_from(self, client: str, exchange: Exchange, known: Known) -> bool:
        name = client.casefold()
        if exchange.host and exchange.host.casefold() == name:
            return True
        if not exchange.smsid:
            return False
        try:
            return normalize_smsid(client) == exchange.smsid
        except MalformedMessage:
            return (await known.client_name(exchange.smsid)).casefold() == name

    # -- what it does --------------------------------------------------------------------

    def applies(self, exchange: Exchange) -> bool:
        """Whether an exchange that is selected is of a sort that it can touch."""
        return True

    def acts_on(self, direction: Direction) -> bool:
        """In which direction it has something to do."""
        return direction == "replies"

    def acts_late(self) -> bool:
        """Whether it has still something to do when the target has the whole request."""
        return self.acts_on("replies")

    def begun(self, at: AtWork, connection: Connection) -> None:
        """It was set while the exchange was under way already."""

    def answer(self, at: AtWork) -> bytes | None:
        """The reply that is given in the target's place, which then never sees the request."""
        return None

    async def carry(self, at: AtWork, direction: Direction, piece: Piece, send: Send) -> None:
        """Pass a piece on in its own manner: later, changed, or not at all."""
        await send(piece)


class BrokenOff(Exception):
    """The connection ends here; ``reset`` with RST, or closed after what was sent."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Planned:
    """A wire fault that is set: its chance, its count, and whether it was lifted."""

    def __init__(self, name: str, fault: WireFault, known: Known) -> None:
        self.name = name
        self.fault = fault
        self.taken = 0  # exchanges it was put to work on
        self.missed = 0  # of those, the ones in which it found nothing to change
        self.lifted = asyncio.Event()
        self._known = known
        self._selected = 0
        self._chance = self.random("selection")

    def random(self, stream: str) -> random.Random:
        """A stream of chance of its own: the same for the same seed, fault and name."""
        return random.Random(f"{self.fault.seed}/{self.name}/{stream}")

    @property
    def hits(self) -> int:
        """Exchanges that it has changed, or may still change."""
        return self.taken - self.missed

    @property
    def spent(self) -> bool:
        return self.fault.first is not None and self.hits >= self.fault.first

    async def consider(self, exchange: Exchange) -> AtWork | None:
        """Have a look at an exchange, once; what is at work on it then, if anything."""
        if self.name in exchange.considered or self.lifted.is_set():
            return None
        exchange.considered.add(self.name)
        if self.fault.http_only and exchange.request is None:
            return None
        if not (self.fault.applies(exchange) and await self.fault.selects_exchange(exchange, self._known)):
            return None
        if not self._counts():
            return None
        self.taken += 1
        at_work = AtWork(self, exchange)
        exchange.faults.append(at_work)
        return at_work

    def _counts(self) -> bool:
        """Whether this one of the selected exchanges is hit."""
        self._selected += 1
        place = self._selected - self.fault.skip  # from 1
        if self.spent or place < 1 or (place - 1) % self.fault.every:
            return False
        # Drawn only where it matters, so that the same exchanges meet the same chance.
        return self.fault.probability >= 1 or self._chance.random() < self.fault.probability


class AtWork:
    """One fault at work on one exchange."""

    def __init__(self, planned: Planned, exchange: Exchange) -> None:
        self.planned = planned
        self.exchange = exchange
        self.random = planned.random(f"exchange {planned.taken}")
        self.passed = 0  # bytes of a body that it has let through, in its direction
        self.passed_in_all = 0  # heads and frames counted too
        self.head = bytearray()  # of the reply, where the fault reads it
        self.kept: list[Piece] = []  # what it holds back
        self.changed = False  # something of it has arrived otherwise than it was sent
        self._counted = True

    @property
    def lifted(self) -> bool:
        return self.planned.lifted.is_set()

    def settle(self, piece: Piece) -> None:
        """With the last piece: where nothing was changed, nothing was hit."""
        if piece.last and self._counted and not self.changed:
            self._counted = False
            self.planned.missed += 1

    async def pause(self, seconds: float) -> None:
        """Let real seconds pass; less when the fault is lifted meanwhile."""
        if seconds > 0 and not self.lifted:
            try:
                async with asyncio.timeout(seconds):
                    await self.planned.lifted.wait()
            except TimeoutError:
                pass

    async def pause_until(self, moment: float) -> None:
        """Until a moment of the loop's time, or until the fault is lifted."""
        await self.pause(moment - asyncio.get_running_loop().time())

    async def silence(self) -> None:
        """Until the fault is lifted."""
        await self.planned.lifted.wait()

    async def carry(self, direction: Direction, piece: Piece, send: Send) -> None:
        """Have the fault pass a piece on, unless it has been lifted: then nothing is changed any more."""
        if self.lifted or not self.planned.fault.acts_on(direction):
            await self._release(send)
            await send(piece)
            return

        async def counted(out: Piece) -> None:
            await send(out)
            self.passed_in_all += len(out.data)
            if out.part == "body":
                self.passed += len(out.data)

        await self.planned.fault.carry(self, direction, piece, counted)

    async def _release(self, send: Send) -> None:
        """What was held back when the fault was lifted goes first, as it came."""
        while self.kept:
            await send(self.kept.pop(0))
