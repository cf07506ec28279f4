"""What `Vesting` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U32, Amount, BlockNumber, Max, Positive

SCHEDULES_MAX = 8
"""The most schedules of one account."""


@dataclass(frozen=True, slots=True)
class VestingSchedule:
    """An amount that comes free in a straight line, once its cliff is over."""

    amount: Positive[Amount]
    """All of it, in 10**-18 OPEN."""
    starts_at: BlockNumber
    """The end of the cliff: nothing is free up to this height."""
    blocks: Positive[U32]
    """From there until everything is free."""

    @property
    def ends_at(self) -> int:
        """The first height at which everything is free."""
        return self.starts_at + self.blocks

    def locked_at(self, height: int) -> int:
        """What is not free yet at a height, in 10**-18 OPEN; rounded up."""
        elapsed = min(max(0, height - self.starts_at), self.blocks)
        return self.amount - self.amount * elapsed // self.blocks


Schedules = Annotated[tuple[VestingSchedule, ...], Max(SCHEDULES_MAX)]
