"""What `Staking` stores of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import AccountId, Amount, BlockNumber, Max

CHUNKS_MAX = 16
"""The most parts of one account's stake that are unbonding at a time."""
CANDIDATES_MAX = 512
"""The most candidates: twice what a set of validators can have."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the stake that is unbonding."""

    amount: Amount
    withdrawable_at: BlockNumber
    """The first height at which it may be withdrawn; until then it can be slashed."""


@dataclass(slots=True)
class Ledger:
    """An account's stake; all of it is held, and all of it can be slashed."""

    bonded: Amount = 0
    """What counts in elections, in 10**-18 OPEN."""
    unbonding: Annotated[tuple[Chunk, ...], Max(CHUNKS_MAX)] = ()
    """In the order in which the parts can be withdrawn."""
    jailed_until: BlockNumber | None = None
    """The first height at which `unjail` may end the jail; None outside it."""


Candidates = Annotated[tuple[AccountId, ...], Max(CANDIDATES_MAX)]
