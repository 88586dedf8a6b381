"""A fault: a small named thing that goes wrong, with settings, a scope and a time after which it heals.

A fault is what somebody writes in a scenario or sends to the control port: a frozen table whose
fields are its settings. What is at work while it is set (hits, chance, whether it has been lifted)
is kept by others: ``fault_plan.py`` for all of them, ``wire_fault.py`` for those on a link.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from emulator.faults.surroundings import Surroundings


# What a fault has to remember of one role between being applied and being lifted.
Memory = dict[str, Any]
CLIENTS = "client"


class Fault(BaseModel):
    """Something that goes wrong."""

    # Strict: "3" is no number and true is none either. Infinity would never heal by itself.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: ClassVar[str]

    on: str = Field(min_length=1, description="a role, a kind of role, a computer, or `source -> target`")
    duration: float | None = Field(
        default=None, gt=0, description="seconds of site time after which it heals by itself"
    )

    @classmethod
    def sentence(cls) -> str:
        """What really happens, in one sentence: the first line of the class's docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


class RoleFault(Fault):
    """Something that goes wrong in a role, or in the computer under it."""

    # Which kinds of role can have it; empty: every kind. CLIENTS: the computers of clients, too.
    roles: ClassVar[tuple[str, ...]] = ()
    # Whether nothing of it is left when the role has been stopped with its site.
    ends_with_site: ClassVar[bool] = False
    # Whether a role that has it cannot have it a second time, until it has been lifted.
    alone: ClassVar[bool] = True

    def check(self, site: Surroundings, role: str) -> None:
        """See, of every role before the first one has it, that the role can have it now.

        Raises:
            FaultRefused: it cannot.
        """

    @abstractmethod
    async def apply(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Do it to one role; returns what was really done.

        Raises:
            FaultRefused: it cannot be done here.
        """

    @abstractmethod
    async def lift(self, site: Surroundings, role: str, memory: Memory) -> str:
        """Take it back, as ``apply`` found it; returns what was really done."""
